#include "expo/checkpoint/lora/adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "expo/checkpoint/lora/scaling.h"
#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/checkpoint/safetensors/header.h"
#include "expo/core/error.h"
#include "support/temporary_folder.h"
#include "support/tensor_file.h"

namespace expo {
namespace {

using Tensors = std::vector<FileTensor>;

const std::string kPrefix = "base_model.model.";
const char* const kQ = "model.layers.0.q_proj.weight";

/// A tensor with the values 1, 2, 3, … divided by ten.
FileTensor counted(const std::string& name, std::vector<std::uint64_t> shape,
                   DType dtype = DType::f32, double step = 0.125) {
  std::vector<double> values(*element_count(shape));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = step * static_cast<double>(i + 1);
  return {name, std::move(shape), std::move(values), dtype};
}

FileTensor lora_a(const std::string& module, std::vector<std::uint64_t> shape) {
  return counted(kPrefix + module + ".lora_A.weight", std::move(shape));
}
FileTensor lora_b(const std::string& module, std::vector<std::uint64_t> shape) {
  return counted(kPrefix + module + ".lora_B.weight", std::move(shape), DType::f32, -0.25);
}

Tensors pair(const std::string& module, std::uint64_t out, std::uint64_t in,
             std::uint64_t rank = 2) {
  return {lora_a(module, {rank, in}), lora_b(module, {out, rank})};
}

Tensors operator+(Tensors a, const Tensors& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Observed final : public FileBytesObserver {
 public:
  void file_bytes(std::size_t file, std::uint64_t offset,
                  std::span<const std::byte> bytes) override {
    ranges.push_back({file, offset, bytes.size()});
  }
  std::vector<Extent> ranges;
};

class LoraAdapter : public ::testing::Test {
 protected:
  void SetUp() override {
    write_base({counted("model.embed_tokens.weight", {5, 3}), counted("lm_head.weight", {5, 3}),
                counted(kQ, {4, 3}, DType::bf16), counted("model.layers.0.o_proj.weight", {3, 3}),
                counted("model.layers.0.conv.weight", {2, 3, 1, 2}),
                counted("model.layers.0.steps.weight", {4, 3}, DType::i64, 1),
                counted("model.norm.weight", {3})});
    write_config();
    write_adapter(pair("model.layers.0.q_proj", 4, 3));
  }

  void write_base(const Tensors& tensors, const std::string& config = R"({"architectures":
      ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": false})") {
    folder_.write("base/model.safetensors", tensor_file(tensors));
    folder_.write("base/config.json", config);
  }

  void write_config(const std::string& more = "") {
    folder_.write("adapter/adapter_config.json",
                  "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 3" + more + "}");
  }

  void write_adapter(const Tensors& tensors) {
    folder_.write("adapter/adapter_model.safetensors", tensor_file(tensors));
  }

  std::shared_ptr<const Checkpoint> base() {
    return open_checkpoint(posix_filesystem(), (folder_ / "base").string(), {}, {});
  }

  std::shared_ptr<const Checkpoint> merged() {
    return apply_lora(posix_filesystem(), base(), folder_ / "adapter");
  }

  void expect_refusal(const std::string& reason) {
    try {
      merged();
      ADD_FAILURE() << "accepted; expected: " << reason;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("adapter"), std::string::npos) << error.what();
    }
  }

  static std::vector<double> doubles(const Checkpoint& model, const std::string& name) {
    const std::size_t index = *model.find(name);
    EXPECT_EQ(model.tensors()[index].dtype, DType::f64);
    ReadScratch scratch;
    const auto bytes = model.read(index, 0, model.tensors()[index].elements(), scratch);
    std::vector<double> values(bytes.size() / 8);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  /// (step·(i + 1)) + 1.5·Σₖ B(r, k)·A(k, c), with counted base, A (in, 0.125) and B (-0.25).
  static std::vector<double> expected(std::uint64_t rows, std::uint64_t columns, double scale,
                                      bool transposed = false, std::uint64_t rank = 2) {
    std::vector<double> values;
    for (std::uint64_t i = 0; i < rows; ++i) {
      for (std::uint64_t j = 0; j < columns; ++j) {
        const std::uint64_t out = transposed ? j : i;
        const std::uint64_t in = transposed ? i : j;
        double sum = 0;
        for (std::uint64_t k = 0; k < rank; ++k) {
          sum += -0.25 * static_cast<double>(out * rank + k + 1) * 0.125 *
                 static_cast<double>(k * (transposed ? rows : columns) + in + 1);
        }
        values.push_back(0.125 * static_cast<double>(i * columns + j + 1) + scale * sum);
      }
    }
    return values;
  }

  bool warns(const Checkpoint& model, const std::string& text) {
    return std::ranges::any_of(model.warnings(), [&](const std::string& warning) {
      return warning.find(text) != std::string::npos;
    });
  }

  TemporaryFolder folder_;
};

// Delivered values

TEST_F(LoraAdapter, AddsTheUpdateInFloat64) {
  const auto model = merged();
  EXPECT_EQ(doubles(*model, kQ), expected(4, 3, 1.5));
  const Tensor& tensor = model->tensors()[*model->find(kQ)];
  EXPECT_EQ(tensor.nominal, DType::bf16);
  EXPECT_EQ(tensor.stored, "BF16");
  EXPECT_EQ(model->format(), "LoRA over safetensors");
  EXPECT_EQ(model->location(), (folder_ / "base").string() + "+" + (folder_ / "adapter").string());
  EXPECT_TRUE(model->warnings().empty());
}

TEST_F(LoraAdapter, LeavesOrderExtentsAndOtherTensorsAlone) {
  const auto original = base();
  const auto model = merged();
  ASSERT_EQ(model->tensors().size(), original->tensors().size());
  ReadScratch a;
  ReadScratch b;
  for (std::size_t i = 0; i < model->tensors().size(); ++i) {
    const Tensor& tensor = model->tensors()[i];
    EXPECT_EQ(tensor.name, original->tensors()[i].name);
    EXPECT_EQ(tensor.extent->offset, original->tensors()[i].extent->offset);
    EXPECT_EQ(tensor.extent->bytes, original->tensors()[i].extent->bytes);
    if (tensor.name == kQ) continue;
    EXPECT_EQ(tensor.dtype, original->tensors()[i].dtype);
    EXPECT_TRUE(std::ranges::equal(model->read(i, 0, tensor.elements(), a),
                                   original->read(i, 0, tensor.elements(), b)));
  }
}

TEST_F(LoraAdapter, ListsTheBasesFilesFirstAndTellsWhatItReads) {
  write_config(R"(, "modules_to_save": ["norm"])");
  write_adapter(pair("model.layers.0.q_proj", 4, 3) +
                Tensors{counted(kPrefix + "model.norm.weight", {3})});
  const auto model = merged();
  ASSERT_EQ(model->files().size(), 3u);
  EXPECT_EQ(model->files()[0].path, folder_ / "base/model.safetensors");
  EXPECT_EQ(model->files()[1].path, folder_ / "adapter/adapter_model.safetensors");
  EXPECT_EQ(model->files()[2].path, folder_ / "adapter/adapter_config.json");
  for (const char* name : {kQ, "model.norm.weight"}) {
    const std::size_t index = *model->find(name);
    Observed observed;
    ReadScratch scratch;
    scratch.observer = &observed;
    model->read(index, 0, model->tensors()[index].elements(), scratch);
    ASSERT_EQ(observed.ranges.size(), 1u);
    EXPECT_EQ(observed.ranges[0].file, model->tensors()[index].extent->file);
    EXPECT_EQ(observed.ranges[0].offset, model->tensors()[index].extent->offset);
    EXPECT_EQ(observed.ranges[0].bytes, model->tensors()[index].extent->bytes);
    EXPECT_EQ(scratch.observer, &observed);
  }
  EXPECT_EQ(model->tensors()[*model->find("model.norm.weight")].extent->file, 1u);
}

TEST_F(LoraAdapter, ReadsTheSameOverAndOverWithOneScratch) {
  folder_.write("second/adapter_config.json", R"({"peft_type": "LORA", "r": 2, "lora_alpha": 3})");
  folder_.write(
      "second/adapter_model.safetensors",
      tensor_file(pair("model.layers.0.q_proj", 4, 3) + pair("model.layers.0.o_proj", 3, 3)));
  auto model = merged();
  for (int i = 0; i < 3; ++i) {
    model = apply_lora(posix_filesystem(), model, folder_ / "second");
  }
  EXPECT_EQ(model->format(), "LoRA over LoRA over LoRA over LoRA over safetensors");
  const auto update = expected(4, 3, 1.5);
  ReadScratch scratch;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 12; ++i) {
      const auto bytes = model->read(*model->find(kQ), i, 1, scratch);
      double value = 0;
      std::memcpy(&value, bytes.data(), 8);
      const double start = 0.125 * static_cast<double>(i + 1);
      double sum = start;
      for (int k = 0; k < 4; ++k) sum = sum + (update[i] - start);  // exact with these numbers
      EXPECT_EQ(value, sum) << i;
      model->read(*model->find("model.norm.weight"), 0, 3, scratch);
    }
  }
}

TEST_F(LoraAdapter, TransposesEmbeddings) {
  write_adapter(
      {counted(kPrefix + "model.embed_tokens.lora_embedding_A", {2, 5}),
       counted(kPrefix + "model.embed_tokens.lora_embedding_B", {3, 2}, DType::f32, -0.25)});
  EXPECT_EQ(doubles(*merged(), "model.embed_tokens.weight"), expected(5, 3, 1.5, true));
}

TEST_F(LoraAdapter, TakesConvolutionsAsMatrices) {
  write_adapter(
      {lora_a("model.layers.0.conv", {2, 3, 1, 2}), lora_b("model.layers.0.conv", {2, 2, 1, 1})});
  EXPECT_EQ(doubles(*merged(), "model.layers.0.conv.weight"), expected(2, 6, 1.5));
}

TEST_F(LoraAdapter, AcceptsNamesWithoutPrefixAndWithTheAdaptersName) {
  Tensors tensors = pair("model.layers.0.q_proj", 4, 3);
  tensors[0].name = "model.layers.0.q_proj.lora_A.default.weight";
  tensors[1].name = "model.layers.0.q_proj.lora_B.weight";
  write_adapter(tensors);
  EXPECT_EQ(doubles(*merged(), kQ), expected(4, 3, 1.5));
}

TEST_F(LoraAdapter, TakesSavedModulesUnderAllTheirNames) {
  write_config(R"(, "modules_to_save": ["norm"])");
  for (const char* name : {"model.norm.weight", "model.norm.modules_to_save.weight",
                           "model.norm.modules_to_save.default.weight"}) {
    write_adapter({counted(kPrefix + name, {3}, DType::bf16, 2)});
    const auto model = merged();
    const std::size_t index = *model->find("model.norm.weight");
    EXPECT_EQ(model->tensors()[index].dtype, DType::bf16);
    EXPECT_EQ(model->tensors()[index].nominal, DType::f32);
    ReadScratch scratch;
    const auto bytes = model->read(index, 1, 2, scratch);
    const unsigned char wanted[] = {0x80, 0x40, 0xC0, 0x40};  // 4 and 6 in bfloat16
    EXPECT_EQ(std::memcmp(bytes.data(), wanted, 4), 0);
  }
}

// Names of the base

TEST_F(LoraAdapter, FindsABareModelsTensors) {
  write_base({counted("h.0.attn.c_attn.weight", {3, 9}), counted("wte.weight", {5, 3})},
             R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})");
  write_adapter(pair("transformer.h.0.attn.c_attn", 9, 3));
  EXPECT_EQ(doubles(*merged(), "h.0.attn.c_attn.weight"), expected(3, 9, 1.5, true));
}

TEST_F(LoraAdapter, FindsTensorsOfAModelAroundTheBareOne) {
  write_adapter(pair("layers.0.q_proj", 4, 3));
  EXPECT_EQ(doubles(*merged(), kQ), expected(4, 3, 1.5));
}

TEST_F(LoraAdapter, FindsTensorsUnderTheNamesOfVisionLanguageModels) {
  write_base({counted("language_model.model.layers.0.q_proj.weight", {4, 3}),
              counted("vision_tower.layers.0.q_proj.weight", {4, 3}),
              counted("language_model.lm_head.weight", {5, 3})});
  write_adapter(pair("model.language_model.layers.0.q_proj", 4, 3) +
                pair("model.vision_tower.layers.0.q_proj", 4, 3) + pair("lm_head", 5, 3));
  auto model = merged();
  EXPECT_EQ(doubles(*model, "language_model.model.layers.0.q_proj.weight"), expected(4, 3, 1.5));
  EXPECT_EQ(doubles(*model, "vision_tower.layers.0.q_proj.weight"), expected(4, 3, 1.5));
  EXPECT_EQ(doubles(*model, "language_model.lm_head.weight"), expected(5, 3, 1.5));

  write_base({counted("model.layers.0.q_proj.weight", {4, 3}),
              counted("visual.blocks.0.qkv.weight", {4, 3}), counted("lm_head.weight", {5, 3})});
  write_adapter(pair("model.language_model.layers.0.q_proj", 4, 3) +
                pair("model.visual.blocks.0.qkv", 4, 3) + pair("lm_head", 5, 3));
  model = merged();
  EXPECT_EQ(doubles(*model, "visual.blocks.0.qkv.weight"), expected(4, 3, 1.5));
}

TEST_F(LoraAdapter, OneRenamingHoldsForAll) {
  write_base({counted("layers.0.q_proj.weight", {4, 3}),
              counted("model.layers.0.k_proj.weight", {4, 3}),
              counted("other.layers.0.v_proj.weight", {4, 3})});
  write_adapter(pair("model.layers.0.q_proj", 4, 3) + pair("layers.0.v_proj", 4, 3));
  expect_refusal("\"model.layers.0.q_proj.weight\"");
}

// Orientation of square weights

TEST_F(LoraAdapter, SquareWeightsGoByTheOthersTheModelOrTheFlag) {
  const Tensors square = pair("model.layers.0.o_proj", 3, 3);
  const auto is_transposed = [&] {
    const auto values = doubles(*merged(), "model.layers.0.o_proj.weight");
    EXPECT_TRUE(values == expected(3, 3, 1.5) || values == expected(3, 3, 1.5, true));
    return values == expected(3, 3, 1.5, true);
  };
  write_adapter(square);
  EXPECT_FALSE(is_transposed());
  write_config(R"(, "fan_in_fan_out": true)");
  EXPECT_TRUE(is_transposed());
  write_adapter(square + pair("model.layers.0.q_proj", 4, 3));
  EXPECT_FALSE(is_transposed());
  write_config();
  write_adapter(square + pair("model.layers.0.q_proj", 3, 4));
  EXPECT_TRUE(is_transposed());
  write_adapter(square + pair("lm_head", 5, 3));
  EXPECT_FALSE(is_transposed());
  write_base({counted("model.layers.0.o_proj.weight", {3, 3}), counted("lm_head.weight", {5, 3})},
             R"({"model_type": "gpt2", "tie_word_embeddings": false})");
  EXPECT_TRUE(is_transposed());
}

TEST_F(LoraAdapter, RefusesToGuessTheOrientation) {
  write_base({counted("model.layers.0.o_proj.weight", {3, 3}),
              counted("model.layers.0.a.weight", {4, 3}),
              counted("model.layers.0.b.weight", {3, 4})});
  write_adapter(pair("model.layers.0.o_proj", 3, 3) + pair("model.layers.0.a", 4, 3) +
                pair("model.layers.0.b", 4, 3));
  expect_refusal("is unclear");
}

// Refusals

TEST_F(LoraAdapter, RefusesIncompletePairs) {
  write_adapter({lora_a("model.layers.0.q_proj", {2, 3})});
  expect_refusal("has no B beside it");
  write_adapter({lora_b("model.layers.0.q_proj", {4, 2})});
  expect_refusal("has no A beside it");
  write_adapter({counted(kPrefix + "model.embed_tokens.lora_embedding_A", {2, 5})});
  expect_refusal("has no B beside it");
  write_adapter({counted(kPrefix + "model.embed_tokens.lora_embedding_A", {2, 5}),
                 lora_b("model.embed_tokens", {3, 2})});
  expect_refusal("has no B beside it");
}

TEST_F(LoraAdapter, RefusesTensorsThatMatchNothing) {
  write_adapter(pair("model.layers.0.q_proj", 4, 3) + pair("model.layers.7.q_proj", 4, 3));
  expect_refusal("adapts \"model.layers.7.q_proj.weight\"");
  write_adapter(pair("model.layers.0.q_proj", 4, 3) +
                Tensors{counted(kPrefix + "model.layers.0.q_proj.bias", {4})});
  expect_refusal("\"base_model.model.model.layers.0.q_proj.bias\" is neither A nor B");
  write_adapter({counted("lora_A.weight", {2, 3})});
  expect_refusal("\"lora_A.weight\" is neither");
  write_config(R"(, "modules_to_save": ["score"])");
  write_adapter({counted(kPrefix + "score.weight", {1, 3})});
  expect_refusal("\"score.weight\"");
}

TEST_F(LoraAdapter, RefusesVariantsByTheirTensors) {
  const Tensors good = pair("model.layers.0.q_proj", 4, 3);
  const std::string module = kPrefix + "model.layers.0.q_proj.";
  write_adapter(good + Tensors{counted(module + "lora_magnitude_vector", {4})});
  expect_refusal("DoRA");
  write_adapter(good + Tensors{counted(module + "lora_magnitude_vector.weight", {4})});
  expect_refusal("DoRA");
  write_adapter(good + Tensors{counted(module + "lora_B.bias", {4})});
  expect_refusal("lora_bias");
  write_adapter(good + Tensors{counted(module + "lora_diag", {2})});
  expect_refusal("variant of LoRA");
}

TEST_F(LoraAdapter, RefusesOtherRanks) {
  write_adapter(pair("model.layers.0.q_proj", 4, 3, 3));
  expect_refusal("rank 3, but adapter_config.json gives the rank 2");
  write_adapter({lora_a("model.layers.0.q_proj", {2, 3}), lora_b("model.layers.0.q_proj", {4, 1})});
  expect_refusal("lora_B.weight\" has the shape [4, 1], that is rank 1");
  write_config(R"(, "rank_pattern": {"q_proj": 3})");
  write_adapter(pair("model.layers.0.q_proj", 4, 3, 3));
  EXPECT_EQ(doubles(*merged(), kQ), expected(4, 3, 1.0, false, 3));
}

TEST_F(LoraAdapter, RefusesShapesThatDoNotFit) {
  write_adapter(pair("model.layers.0.q_proj", 5, 3));
  expect_refusal("\"model.layers.0.q_proj.weight\" of shape [4, 3]");
  write_adapter(
      {lora_a("model.layers.0.q_proj", {2, 3, 1}), lora_b("model.layers.0.q_proj", {4, 2})});
  expect_refusal("of shape [4, 3]");
  write_adapter({counted(kPrefix + "model.embed_tokens.lora_embedding_A", {2, 3}),
                 counted(kPrefix + "model.embed_tokens.lora_embedding_B", {5, 2})});
  expect_refusal("(an embedding)");
  write_adapter(
      {lora_a("model.layers.0.conv", {2, 3, 2, 1}), lora_b("model.layers.0.conv", {2, 2, 1, 1})});
  expect_refusal("of shape [2, 3, 1, 2]");
  write_adapter(
      {lora_a("model.layers.0.conv", {2, 3, 1, 2}), lora_b("model.layers.0.conv", {2, 2, 2, 1})});
  expect_refusal("of shape [2, 3, 1, 2]");
  write_adapter(
      {lora_a("model.layers.0.conv", {2, 6, 1, 2}), lora_b("model.layers.0.conv", {2, 1, 1, 1})});
  expect_refusal("in groups");
  write_adapter({lora_a("model.norm", {2, 3}), lora_b("model.norm", {3, 2})});
  expect_refusal("of shape [3]");
}

TEST_F(LoraAdapter, RefusesEmptyShardsOfADistributedTraining) {
  write_adapter({lora_a("model.layers.0.q_proj", {0}), lora_b("model.layers.0.q_proj", {4, 2})});
  expect_refusal("gathered");
  write_adapter({lora_a("model.layers.0.q_proj", {2, 0}), lora_b("model.layers.0.q_proj", {4, 2})});
  expect_refusal("gathered");
}

TEST_F(LoraAdapter, RefusesTypesWithoutArithmetic) {
  write_adapter(pair("model.layers.0.steps", 4, 3));
  expect_refusal("\"model.layers.0.steps.weight\", which is I64");
  Tensors tensors = pair("model.layers.0.q_proj", 4, 3);
  tensors[1].dtype = DType::u8;
  write_adapter(tensors);
  expect_refusal("lora_B.weight\" is U8");
  write_config(R"(, "modules_to_save": ["norm"])");
  write_adapter({counted(kPrefix + "model.norm.weight", {3}, DType::i64, 1)});
  expect_refusal("is I64, but the base's \"model.norm.weight\" is F32");
}

TEST_F(LoraAdapter, RefusesTwoUpdatesOfOneTensor) {
  Tensors twice = pair("model.layers.0.q_proj", 4, 3);
  twice.push_back(twice[0]);
  twice[2].name = kPrefix + "model.layers.0.q_proj.lora_A.default.weight";
  write_adapter(twice);
  expect_refusal("name the same tensor");

  write_adapter(pair("model.layers.0.q_proj", 4, 3) + pair("layers.0.q_proj", 4, 3));
  expect_refusal("that another one adapts");

  write_adapter(pair("lm_head", 5, 3) +
                Tensors{counted(kPrefix + "lm_head.lora_embedding_A", {2, 5}),
                        counted(kPrefix + "lm_head.lora_embedding_B", {3, 2})});
  expect_refusal("name the same tensor");

  write_config(R"(, "modules_to_save": ["lm_head"])");
  write_adapter(pair("lm_head", 5, 3) + Tensors{counted(kPrefix + "lm_head.weight", {5, 3})});
  expect_refusal("holds whole as well");
  write_adapter({counted(kPrefix + "lm_head.weight", {5, 3}),
                 counted(kPrefix + "lm_head.modules_to_save.weight", {5, 3})});
  expect_refusal("name the same tensor");
}

TEST_F(LoraAdapter, RefusesSavedModulesThatAreMissingOrResized) {
  write_config(R"(, "modules_to_save": ["norm", "lm_head"])");
  write_adapter({counted(kPrefix + "model.norm.weight", {3})});
  expect_refusal("modules_to_save of adapter_config.json names \"lm_head\"");
  write_adapter(
      {counted(kPrefix + "model.norm.weight", {3}), counted(kPrefix + "lm_head.weight", {6, 3})});
  expect_refusal("vocabulary was resized");
  write_adapter(
      {counted(kPrefix + "model.norm.weight", {4}), counted(kPrefix + "lm_head.weight", {5, 3})});
  expect_refusal("belongs to another model");
}

TEST_F(LoraAdapter, RefusesFoldersWithoutWeights) {
  std::filesystem::remove(folder_ / "adapter/adapter_model.safetensors");
  expect_refusal("neither adapter_model.safetensors nor adapter_model.bin");
  write_adapter({});
  expect_refusal("holds no tensors");
  folder_.write("adapter/adapter_model.safetensors", "short");
  expect_refusal("adapter_model.safetensors");
  EXPECT_TRUE(is_adapter_folder(posix_filesystem(), folder_ / "adapter"));
  EXPECT_FALSE(is_adapter_folder(posix_filesystem(), folder_ / "base"));
}

// Tensors that PEFT saves untrained

TEST_F(LoraAdapter, ComparesWhatWasNotTrainedWithTheBase) {
  const Tensors head = pair("lm_head", 5, 3);
  write_adapter(head + Tensors{counted(kPrefix + "lm_head.base_layer.weight", {5, 3})});
  auto model = merged();
  EXPECT_TRUE(model->warnings().empty());
  EXPECT_EQ(model->tensors()[*model->find("lm_head.weight")].extent->file, 0u);
  EXPECT_EQ(doubles(*model, "lm_head.weight"), expected(5, 3, 1.5));

  write_adapter(head +
                Tensors{counted(kPrefix + "lm_head.base_layer.weight", {5, 3}, DType::f32, 1.125)});
  model = merged();
  EXPECT_TRUE(warns(*model, "lm_head.base_layer.weight"));
  auto values = expected(5, 3, 1.5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += static_cast<double>(i + 1);
  EXPECT_EQ(doubles(*model, "lm_head.weight"), values);
}

TEST_F(LoraAdapter, ARoundedCopyOfTheBaseIsTheBase) {
  write_base({counted("lm_head.weight", {5, 3}, DType::f32, 0.1)});
  write_adapter(pair("lm_head", 5, 3) +
                Tensors{counted(kPrefix + "lm_head.base_layer.weight", {5, 3}, DType::bf16,
                                static_cast<double>(0.1f))});
  const auto model = merged();
  EXPECT_TRUE(model->warnings().empty()) << model->warnings()[0];
}

TEST_F(LoraAdapter, UntrainedEmbeddingsMayStandAlone) {
  write_adapter(pair("model.layers.0.q_proj", 4, 3) +
                Tensors{counted(kPrefix + "model.embed_tokens.weight", {5, 3})});
  EXPECT_TRUE(merged()->warnings().empty());
}

// Tied heads

TEST_F(LoraAdapter, GivesATiedHeadATensorOfItsOwn) {
  write_base({counted("model.embed_tokens.weight", {5, 3}, DType::bf16)},
             R"({"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": true,
                 "text_config": {"tie_word_embeddings": true}})");
  write_adapter(pair("lm_head", 5, 3));
  const auto model = merged();
  ASSERT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->tensors()[1].name, "lm_head.weight");
  EXPECT_EQ(model->tensors()[1].nominal, DType::bf16);
  EXPECT_FALSE(model->tensors()[1].extent);
  EXPECT_EQ(model->tensors()[0].dtype, DType::bf16);
  EXPECT_EQ(doubles(*model, "lm_head.weight"), expected(5, 3, 1.5));
  EXPECT_EQ(model->config()["tie_word_embeddings"], false);
  EXPECT_EQ(model->config()["text_config"]["tie_word_embeddings"], false);
  EXPECT_TRUE(warns(*model, "tie_word_embeddings becomes false"));
  const auto sidecar = std::ranges::find(model->sidecars(), "config.json", &Sidecar::name);
  ASSERT_NE(sidecar, model->sidecars().end());
  EXPECT_NE(std::get<std::string>(sidecar->content).find("\"tie_word_embeddings\": false"),
            std::string::npos);
}

TEST_F(LoraAdapter, TheHeadKeepsTheEmbeddingThatWasTrainedAway) {
  write_base({counted("model.embed_tokens.weight", {5, 3})}, R"({"tie_word_embeddings": true})");
  write_config(R"(, "modules_to_save": ["embed_tokens"])");
  write_adapter({counted(kPrefix + "model.embed_tokens.weight", {5, 3}, DType::f32, 7)});
  const auto model = merged();
  ASSERT_TRUE(model->find("lm_head.weight"));
  ReadScratch scratch;
  float value = 0;
  std::memcpy(&value, model->read(*model->find("lm_head.weight"), 14, 1, scratch).data(), 4);
  EXPECT_EQ(value, 0.125f * 15);
  std::memcpy(&value, model->read(0, 14, 1, scratch).data(), 4);
  EXPECT_EQ(value, 7.0f * 15);
}

TEST_F(LoraAdapter, StoredHeadsThatAreTiedAreUntiedToo) {
  write_base({counted("model.embed_tokens.weight", {5, 3}), counted("lm_head.weight", {5, 3})},
             R"({"tie_word_embeddings": true})");
  write_adapter(pair("lm_head", 5, 3));
  const auto model = merged();
  EXPECT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(doubles(*model, "lm_head.weight"), expected(5, 3, 1.5));
  EXPECT_EQ(model->config()["tie_word_embeddings"], false);
}

TEST_F(LoraAdapter, AHeadThatIsNeitherStoredNorTiedIsRefused) {
  write_base({counted("model.embed_tokens.weight", {5, 3})}, R"({"tie_word_embeddings": false})");
  write_adapter(pair("lm_head", 5, 3));
  expect_refusal("\"lm_head.weight\"");
  // A bare model has no head, whatever its configuration ties.
  write_base({counted("embed_tokens.weight", {5, 3})},
             R"({"architectures": ["LlamaModel"], "tie_word_embeddings": true})");
  expect_refusal("\"lm_head.weight\"");
}

// Files around the weights

TEST_F(LoraAdapter, TakesAWholeTokenizerFromTheAdapter) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                           "vocab.json", "generation_config.json", "LICENSE"}) {
    folder_.write(std::string("base/") + name, "base");
  }
  folder_.write("adapter/tokenizer_config.json", "adapter");
  folder_.write("adapter/config.json", "{\"vocab_size\": 1}");
  folder_.write("adapter/generation_config.json", "adapter");
  const auto names = [&] {
    std::string result;
    const auto model = merged();
    for (const Sidecar& sidecar : model->sidecars()) {
      const auto& path = std::get<std::filesystem::path>(sidecar.content);
      result += sidecar.name + "<" + path.parent_path().filename().string() + " ";
    }
    return result;
  };
  EXPECT_EQ(names(),
            "LICENSE<base chat_template.jinja<base config.json<base generation_config.json<base "
            "tokenizer.json<base tokenizer_config.json<adapter vocab.json<base ");
  folder_.write("adapter/tokenizer.json", "adapter");
  EXPECT_EQ(names(),
            "LICENSE<base config.json<base generation_config.json<base tokenizer.json<adapter "
            "tokenizer_config.json<adapter ");
  EXPECT_EQ(merged()->config()["model_type"], "llama");
}

TEST_F(LoraAdapter, WarnsWhereTheAdapterNamesAnotherBase) {
  write_config(R"(, "base_model_name_or_path": "owner/Base")");
  EXPECT_TRUE(merged()->warnings().empty());
  write_config(R"(, "base_model_name_or_path": "/models/base/")");
  EXPECT_TRUE(merged()->warnings().empty());
  write_config(R"(, "base_model_name_or_path": "/c/models--x--base/snapshots/0123")");
  EXPECT_TRUE(merged()->warnings().empty());
  write_config(R"(, "base_model_name_or_path": "owner/other")");
  EXPECT_TRUE(warns(*merged(), "trained over \"owner/other\""));
}

// Scaled adapters

class ScaledAdapter : public LoraAdapter {
 protected:
  std::map<std::string, std::string> scaled(double alpha) {
    return scale_adapter(posix_filesystem(), folder_ / "adapter", alpha);
  }

  void expect_scale_refusal(double alpha, ErrorCategory category, const std::string& reason) {
    try {
      scaled(alpha);
      ADD_FAILURE() << "accepted; expected: " << reason;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category) << error.what();
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  }

  std::vector<float> floats(const std::string& file, const std::string& name) {
    const auto path = folder_.write("scaled.safetensors", file);
    const auto opened = posix_filesystem().open(path, Caching::buffered);
    const SafetensorsHeader header = read_safetensors_header(*opened);
    const auto entry = std::ranges::find(header.entries, name, &SafetensorsEntry::name);
    std::vector<float> values((entry->end - entry->begin) / 4);
    std::memcpy(values.data(), file.data() + header.data_offset + entry->begin,
                entry->end - entry->begin);
    return values;
  }
};

TEST_F(ScaledAdapter, MultipliesBAndNothingElse) {
  folder_.write("adapter/tokenizer_config.json", "{}");
  folder_.write("adapter/README.md", "card");
  const auto files = scaled(2);
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files.at("adapter_config.json"),
            posix_filesystem().read_text(folder_ / "adapter/adapter_config.json"));
  EXPECT_EQ(files.at("tokenizer_config.json"), "{}");
  const std::string& file = files.at("adapter_model.safetensors");
  const auto a = floats(file, kPrefix + "model.layers.0.q_proj.lora_A.weight");
  const auto b = floats(file, kPrefix + "model.layers.0.q_proj.lora_B.weight");
  ASSERT_EQ(b.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(b[i], -0.75f * static_cast<float>(i + 1));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(a[i], 0.125f * static_cast<float>(i + 1));
}

TEST_F(ScaledAdapter, ByZeroGivesTheBase) {
  const std::string file = scaled(-1).at("adapter_model.safetensors");
  for (const float b : floats(file, kPrefix + "model.layers.0.q_proj.lora_B.weight")) {
    EXPECT_EQ(b, 0.0f);
  }
}

TEST_F(ScaledAdapter, KeepsWhatWasNotTrained) {
  write_adapter(pair("lm_head", 5, 3) +
                Tensors{counted(kPrefix + "lm_head.base_layer.weight", {5, 3})});
  const std::string file = scaled(1).at("adapter_model.safetensors");
  EXPECT_EQ(floats(file, kPrefix + "lm_head.base_layer.weight")[14], 0.125f * 15);
}

TEST_F(ScaledAdapter, RefusesOverflow) {
  Tensors tensors = pair("model.layers.0.q_proj", 4, 3);
  tensors[1].dtype = DType::f16;
  tensors[1].values[3] = 60000;
  write_adapter(tensors);
  EXPECT_NO_THROW(scaled(0.09));
  expect_scale_refusal(0.1, ErrorCategory::input, "lora_B.weight\" overflows F16");
  tensors[1].values[3] = std::numeric_limits<double>::infinity();
  write_adapter(tensors);
  EXPECT_NO_THROW(scaled(0.1));
}

TEST_F(ScaledAdapter, RefusesWhatItCannotExpress) {
  write_config(R"(, "modules_to_save": ["norm"])");
  write_adapter(pair("model.layers.0.q_proj", 4, 3) +
                Tensors{counted(kPrefix + "model.norm.weight", {3})});
  expect_scale_refusal(1, ErrorCategory::input, "modules_to_save");
  write_config(R"(, "use_dora": true)");
  expect_scale_refusal(1, ErrorCategory::input, "use_dora");
  for (const double alpha :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    expect_scale_refusal(alpha, ErrorCategory::usage, "finite");
  }
}

}  // namespace
}  // namespace expo
