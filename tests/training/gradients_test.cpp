// Against what transformers computes with the same rows, padded (make_goldens.py):
// log-probabilities and gradients.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "expo/training/model/token_log_probs.h"
#include "tests/model/simulated_device.h"
#include "tests/training/trained_model.h"

namespace expo {
namespace {

constexpr double kTolerance = 1e-5;  // of the largest element of each tensor

struct Rows {
  explicit Rows(const Golden& golden) : rows{golden.row("0"), golden.row("1"), golden.row("2")} {
    for (const TokenRow& row : rows) pointers.push_back(&row);
    packed = pack(pointers, 96);
    targets = targets_of(pointers, sizes);
  }

  std::vector<TokenRow> rows;
  std::vector<const TokenRow*> pointers;
  PackedRows packed;
  Targets targets;
  std::vector<std::int64_t> sizes;
};

VocabularyHead head_of(const TrainableModel& model) {
  return {model.head, model.architecture.logit_softcap};
}

Targets on(at::Device device, const Targets& targets) {
  return {targets.rows.to(device), targets.ids.to(device)};
}

void run_backward(TrainableModel& model, const Rows& rows, const at::Tensor& coefficients,
                  bool checkpointing) {
  model.allocate_gradients();
  TrainableDecoder decoder(model, checkpointing);
  const at::Tensor hidden = decoder.forward(rows.packed);
  const at::Device device = model.device();
  decoder.backward(
      head_of(model).backward(hidden, on(device, rows.targets), coefficients.to(device)));
}

/// The gradient under a Hugging Face name: where the value lies in values(), it lies in
/// gradients().
at::Tensor gradient_of(const TrainableModel& model, const std::string& name) {
  const at::Tensor& value = model.named.at(name);
  const std::int64_t first = value.storage_offset();
  return model.parameters.gradients().narrow(0, first, value.numel()).view(value.sizes());
}

at::Tensor sketch(const at::Tensor& gradient) {
  const at::Tensor flat = gradient.to(at::kDouble).flatten();
  const at::Tensor index = at::arange(flat.size(0), at::kDouble);
  std::vector<at::Tensor> waves;
  for (int wave = 0; wave < 4; ++wave)
    waves.push_back((flat * at::cos(index * ((wave + 1) * 0.37) + wave)).sum());
  return at::stack(waves).to(at::kFloat);
}

/// On the processor, and on a device of its own.
void expect_log_probs(const char* name, at::Device device) {
  const Golden golden(kTrainingGoldens / (std::string(name) + ".safetensors"));
  const TrainableModel model = trainable(name, at::kFloat, device);
  const Rows rows(golden);
  TrainableDecoder decoder(model, false);
  const at::Tensor log_probs =
      head_of(model).log_probs(decoder.hidden_states(rows.packed), on(device, rows.targets));
  const at::Tensor expected = golden.tensor("log_probs");
  EXPECT_LT(distance(log_probs, expected), kTolerance * largest(expected));
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, GivesTheLogProbabilitiesOfPaddedRows) {
  expect_log_probs(GetParam(), at::kCPU);
  expect_log_probs(GetParam(), simulated::device());
}

void expect_gradients(const char* name, bool checkpointing, at::Device device = at::kCPU) {
  const Golden golden(kTrainingGoldens / (std::string(name) + ".safetensors"));
  TrainableModel model = trainable(name, at::kFloat, device);
  run_backward(model, Rows(golden), golden.tensor("coefficients"), checkpointing);
  for (const auto& [parameter, value] : model.named) {
    const at::Tensor found = gradient_of(model, parameter).to(at::kCPU);
    if (golden.has("gradient." + parameter)) {
      const at::Tensor expected = golden.tensor("gradient." + parameter);
      EXPECT_LT(distance(found, expected), kTolerance * largest(expected)) << parameter;
    } else {
      const at::Tensor expected = golden.tensor("sketch." + parameter);
      // A sketch sums n elements, and rounding grows with their number.
      const double scale = found.norm().item<double>();
      EXPECT_LT(distance(sketch(found), expected), kTolerance * scale) << parameter;
    }
  }
}

TEST_P(Families, GivesEveryGradientOfPaddedRows) {
  expect_gradients(GetParam(), false);
}

TEST_P(Families, GivesTheSameGradientsWhenLayersAreComputedAgain) {
  expect_gradients(GetParam(), true);
}

TEST_P(Families, GivesEveryGradientOnADeviceOfItsOwn) {
  expect_gradients(GetParam(), true, simulated::device());
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("llama", "llama_bias", "llama3_rope", "llama_linear_rope",
                                         "mistral", "qwen2", "qwen3", "gemma", "gemma2", "olmo2",
                                         "smollm3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(TrainableDecoder, AddsTheGradientsOfSeveralPasses) {
  const Golden golden(kTrainingGoldens / "llama.safetensors");
  TrainableModel model = trainable("llama");
  const Rows rows(golden);
  const at::Tensor coefficients = golden.tensor("coefficients");
  run_backward(model, rows, coefficients, false);
  const at::Tensor once = model.parameters.gradients().clone();
  run_backward(model, rows, coefficients, false);
  EXPECT_LT(distance(model.parameters.gradients(), 2 * once), kTolerance * largest(once));
  model.parameters.zero_gradients();
  EXPECT_EQ(largest(model.parameters.gradients()), 0);
}

/// Biases and tied heads take other ways.
void expect_near_float32(const std::string& name, at::Device device) {
  const Golden golden(kTrainingGoldens / (name + ".safetensors"));
  TrainableModel exact = trainable(name);
  TrainableModel model = trainable(name, at::kBFloat16, device);
  const Rows rows(golden);
  run_backward(exact, rows, golden.tensor("coefficients"), false);
  run_backward(model, rows, golden.tensor("coefficients"), false);
  for (const auto& [parameter, value] : model.named) {
    const at::Tensor expected = gradient_of(exact, parameter);
    const at::Tensor found = gradient_of(model, parameter).to(at::kCPU);
    EXPECT_LT((found - expected).norm().item<double>(), 0.02 * expected.norm().item<double>())
        << name << " " << parameter;
  }
}

TEST(TrainableDecoder, StaysNearFloat32InBfloat16) {
  for (const std::string name : {"llama", "llama_bias", "mistral"}) {
    expect_near_float32(name, at::kCPU);
    expect_near_float32(name, simulated::device());
  }
}

/// A step below bfloat16's spacing must not vanish: the change of the log-probabilities that it
/// brings is that of float32, on the whole.
TEST(TrainableDecoder, SeesInBfloat16WhatASmallStepChanges) {
  const Golden golden(kTrainingGoldens / "llama.safetensors");
  const Rows rows(golden);
  const auto sum_of_change = [&](at::ScalarType type) {
    TrainableModel model = trainable("llama", type);
    run_backward(model, rows, at::ones({rows.targets.size()}), false);
    TrainableDecoder decoder(model, false);
    const at::Tensor before =
        head_of(model).log_probs(decoder.hidden_states(rows.packed), rows.targets);
    model.parameters.values().add_(model.parameters.gradients().sign(), 2e-4);
    model.parameters.refresh();
    const at::Tensor after =
        head_of(model).log_probs(decoder.hidden_states(rows.packed), rows.targets);
    return (after - before).sum().item<double>();
  };
  const double expected = sum_of_change(at::kFloat);
  EXPECT_GT(expected, 1);
  EXPECT_NEAR(sum_of_change(at::kBFloat16), expected, 0.02 * expected);
}

TEST(TrainableDecoder, LeavesThePaddingTokensEmbeddingAlone) {
  const auto checkpoint = open_any(kModels / "llama");
  Architecture architecture = read_architecture(checkpoint->config(), "llama");
  architecture.pad_id = 7;
  TrainableModel model = make_full_model(architecture, at::kFloat, 1);
  load_weights(*checkpoint, 0, CancellationToken(), model);
  model.allocate_gradients();
  const TokenRow row = token_row({7, 8, 9, 7, 10}, std::vector<bool>(5, true));
  const TokenRow* pointer = &row;
  std::vector<std::int64_t> sizes;
  TrainableDecoder decoder(model, false);
  const at::Tensor hidden = decoder.forward(pack({&pointer, 1}, 96));
  const Targets targets = targets_of({&pointer, 1}, sizes);
  decoder.backward(head_of(model).backward(hidden, targets, at::ones({targets.size()})));
  const at::Tensor embedding = gradient_of(model, "model.embed_tokens.weight");
  EXPECT_EQ(largest(embedding[7]), 0);
  EXPECT_GT(largest(embedding[8]), 0);
  // Of a padding token that config.json did not name, transformers' embedding does not know.
  model.knows_padding = false;
  const at::Tensor again = decoder.forward(pack({&pointer, 1}, 96));
  decoder.backward(head_of(model).backward(again, targets, at::ones({targets.size()})));
  EXPECT_GT(largest(gradient_of(model, "model.embed_tokens.weight")[7]), 0);
}

}  // namespace
}  // namespace expo
