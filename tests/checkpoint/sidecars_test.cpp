#include "expo/checkpoint/sidecars.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/temporary_folder.h"

namespace expo {
namespace {

class Belongs : public testing::TestWithParam<const char*> {};
class DoesNotBelong : public testing::TestWithParam<const char*> {};

TEST_P(Belongs, ToTheModel) {
  EXPECT_TRUE(is_sidecar(GetParam(), 1000));
}
TEST_P(DoesNotBelong, ToTheModel) {
  EXPECT_FALSE(is_sidecar(GetParam(), 1000));
}

INSTANTIATE_TEST_SUITE_P(
    Sidecars, Belongs,
    testing::Values("config.json", "generation_config.json", "tokenizer.json",
                    "tokenizer_config.json", "tokenizer.model", "tokenizer.model.v3",
                    "sentencepiece.bpe.model", "spiece.model", "special_tokens_map.json",
                    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "qwen.tiktoken",
                    "tekken.json", "chat_template.jinja", "chat_template.json",
                    "preprocessor_config.json", "processor_config.json",
                    "image_processor_config.json", "video_preprocessor_config.json",
                    "modeling_custom.py", "configuration_custom.py", "LICENSE", "LICENSE.txt",
                    "NOTICE", "USE_POLICY.md", "THIRD_PARTY_NOTICES.md", "modules.json",
                    "sentence_bert_config.json", "additional_chat_templates/tool_use.jinja",
                    "1_Pooling/config.json"));

INSTANTIATE_TEST_SUITE_P(
    Sidecars, DoesNotBelong,
    testing::Values(
        "README.md", "readme.MD", "README", "model_card.md", ".gitattributes", ".gitignore",
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
        "pytorch_model.bin.index.json", "PYTORCH_MODEL.BIN", "model.gguf", "tf_model.h5",
        "flax_model.msgpack", "model.onnx", "model.onnx_data", "consolidated.00.pth",
        "consolidated.safetensors", "params.json", "optimizer.pt", "optimizer.bin", "scheduler.pt",
        "rng_state.pth", "rng_state_0.pth", "trainer_state.json", "training_args.bin",
        "training_args.json", "all_results.json", "train_results.json", "eval_results.json",
        "zero_to_fp32.py", "latest", "events.out.tfevents.1700000000.host.1.0",
        "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "run.json",
        "mergekit_config.yml", "train.log", "model.safetensors.lock", "x.incomplete", "figure.png",
        "paper.pdf", "weights.zip", "original/params.json", "original/tokenizer.model",
        "checkpoint-500/config.json", "runs/x/events.out", "onnx/config.json",
        "additional_chat_templates/notes.md", "additional_chat_templates/a/b.jinja",
        "1_Pooling/weights.json", "2024/config.json"));

TEST(Sidecars, UnknownFilesBelongWhileTheyAreSmall) {
  EXPECT_TRUE(is_sidecar("something.new", 16'000'000));
  EXPECT_FALSE(is_sidecar("something.new", 16'000'001));
  EXPECT_TRUE(is_sidecar("tokenizer.json", 40'000'000));
}

TEST(Sidecars, AreListedFromAFolder) {
  const TemporaryFolder folder;
  for (const char* name :
       {"config.json", "tokenizer.json", "README.md", "model.safetensors", "LICENSE",
        "additional_chat_templates/rag.jinja", "additional_chat_templates/readme.txt",
        "original/params.json", "runs/one/events.out.tfevents.1", "checkpoint-10/config.json",
        "custom/__init__.py", "custom/layers.py", "custom/deep/kernel.py", "custom/data.bin",
        "scripts/convert.py", ".cache/huggingface/x.json", "1_Pooling/config.json"}) {
    folder.write(name, "x");
  }
  std::filesystem::create_symlink("gone", folder / "dangling.json");
  std::filesystem::create_directory_symlink(".", folder / "custom/loop");
  std::vector<std::string> names;
  for (const Sidecar& sidecar : list_sidecars(posix_filesystem(), folder.path())) {
    names.push_back(sidecar.name);
    EXPECT_EQ(std::get<std::filesystem::path>(sidecar.content), folder / sidecar.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"1_Pooling/config.json", "LICENSE",
                                             "additional_chat_templates/rag.jinja", "config.json",
                                             "custom/__init__.py", "custom/deep/kernel.py",
                                             "custom/layers.py", "tokenizer.json"}));
}

}  // namespace
}  // namespace expo
