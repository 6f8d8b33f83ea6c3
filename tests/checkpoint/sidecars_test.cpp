#include "expo/checkpoint/folder/sidecars.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "support/hub_cache_folder.h"
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
  std::vector<std::string> warnings;
  for (const Sidecar& sidecar : list_sidecars(posix_filesystem(), folder.path(), warnings)) {
    names.push_back(sidecar.name);
    EXPECT_EQ(std::get<std::filesystem::path>(sidecar.content), folder / sidecar.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"1_Pooling/config.json", "LICENSE",
                                             "additional_chat_templates/rag.jinja", "config.json",
                                             "custom/__init__.py", "custom/deep/kernel.py",
                                             "custom/layers.py", "tokenizer.json"}));
  EXPECT_TRUE(warnings.empty());
}

using Names = std::vector<std::string>;

Names names_in(const std::filesystem::path& folder, Names& warnings) {
  Names names;
  for (const Sidecar& sidecar : list_sidecars(posix_filesystem(), folder, warnings))
    names.push_back(sidecar.name);
  return names;
}

TEST(Sidecars, AreNotFollowedOutOfTheFolder) {
  const TemporaryFolder place;
  for (const char* name : {"secrets/vocab.txt", "secrets/__init__.py", "secrets/key.py",
                           "model/config.json", "model/real/LICENSE", "model/code/__init__.py"}) {
    place.write(name, "x");
  }
  const std::filesystem::path model = place / "model";
  std::filesystem::create_symlink("../secrets/vocab.txt", model / "vocab.txt");
  std::filesystem::create_symlink(place / "secrets/key.py", model / "code/key.py");
  std::filesystem::create_symlink("../secrets", model / "package");
  std::filesystem::create_symlink("../secrets/vocab.txt",
                                  model / "model.safetensors");  // no sidecar
  std::filesystem::create_symlink("real/LICENSE", model / "LICENSE");
  std::filesystem::create_symlink("vocab.txt", model / "merges.txt");  // a link to a link
  Names warnings;
  EXPECT_EQ(names_in(model, warnings), (Names{"LICENSE", "code/__init__.py", "config.json"}));
  ASSERT_EQ(warnings.size(), 4u);
  const char* const left_out[] = {"code/key.py", "merges.txt", "package", "vocab.txt"};
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    const std::string name = (model / left_out[i]).string();
    EXPECT_EQ(warnings[i].find(name + ": is a link that leads out"), 0u) << warnings[i];
    EXPECT_NE(warnings[i].find("secrets"), std::string::npos) << warnings[i];
  }
}

TEST(Sidecars, AreFollowedThroughALinkToTheFolderItself) {
  const TemporaryFolder place;
  place.write("model/config.json", "x");
  std::filesystem::create_symlink("model", place / "link");
  Names warnings;
  EXPECT_EQ(names_in(place / "link", warnings), Names{"config.json"});
  EXPECT_TRUE(warnings.empty());
}

TEST(Sidecars, OfASnapshotLeadToTheCachesBlobs) {
  const HubCacheFolder cache;
  cache.add("o/m", "c1", "config.json", "x", "b1");
  cache.add("o/m", "c1", "1_Pooling/config.json", "x", "b2");
  cache.add_shared("o/m", "c1", "tokenizer.json", "x", "b3", "abcd");
  cache.write("o/m", "refs/main", "c1");
  const std::filesystem::path snapshot = cache.snapshot("o/m", "c1");
  std::filesystem::remove(snapshot / "1_Pooling/config.json");
  std::filesystem::create_symlink("../../../blobs/b2", snapshot / "1_Pooling/config.json");
  std::filesystem::create_symlink("../../refs/main", snapshot / "vocab.txt");
  Names warnings;
  EXPECT_EQ(names_in(snapshot, warnings),
            (Names{"1_Pooling/config.json", "config.json", "tokenizer.json"}));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("vocab.txt: is a link"), std::string::npos) << warnings[0];
  // A model may be in a subfolder of the repository.
  EXPECT_EQ(names_in(snapshot / "1_Pooling", warnings), Names{"config.json"});
  EXPECT_EQ(warnings.size(), 1u);
}

TEST(Sidecars, AreRegularFiles) {
  const TemporaryFolder folder;
  folder.write("config.json", "x");
  folder.write("package/__init__.py", "x");
  for (const char* name : {"vocab.txt", "LICENSE", "package/pipe.py"})
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0666), 0);
  Names warnings;
  EXPECT_EQ(names_in(folder.path(), warnings), (Names{"config.json", "package/__init__.py"}));
}

}  // namespace
}  // namespace expo
