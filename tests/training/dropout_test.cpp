#include "expo/training/ops/dropout.h"
#include "expo/training/model/lora_model.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "trained_model.h"

namespace expo {
namespace {

constexpr double kShare = 0.3;

TEST(Dropout, KeepsTheShareThatItIsToldAndTheMean) {
  constexpr std::int64_t kCount = 200'001;  // no multiple of a block
  const at::Tensor x = at::ones({kCount});
  const at::Tensor result = dropout(x, kShare, RandomStream(7, 1));
  const auto zeros = result.eq(0).sum().item<std::int64_t>();
  const double deviation = std::sqrt(kCount * kShare * (1 - kShare));
  EXPECT_NEAR(static_cast<double>(zeros), kCount * kShare, 5 * deviation);
  EXPECT_TRUE(at::equal(result.masked_select(result.ne(0)),
                        at::full({kCount - zeros}, static_cast<float>(1 / (1 - kShare)))));
  EXPECT_TRUE(at::equal(result, dropout(x, kShare, RandomStream(7, 1))));
  EXPECT_FALSE(at::equal(result, dropout(x, kShare, RandomStream(7, 2))));
  EXPECT_TRUE(at::equal(dropout(x, 0, RandomStream(7, 1)), x));
}

TEST(Dropout, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor x = at::arange(100'000, at::kFloat);
  at::set_num_threads(1);
  const at::Tensor alone = dropout(x, kShare, RandomStream(7, 1));
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(dropout(x, kShare, RandomStream(7, 1)), alone));
  at::set_num_threads(1);
}

/// The golden llama with adapters whose B is not zero.
TrainableModel adapted(double share) {
  at::set_num_threads(1);
  const auto checkpoint = open_any(kModels / "llama");
  LoraSpec spec;
  spec.targets = all_linear_modules();
  spec.dropout = share;
  TrainableModel model =
      make_lora_model(read_architecture(checkpoint->config(), "llama"), at::kFloat, 1, spec, 7);
  load_weights(*checkpoint, 0, CancellationToken(), model);
  for (Parameter& parameter : model.parameters.all()) {
    if (parameter.name.ends_with(".lora_B.weight"))
      parameter.value.copy_(at::arange(parameter.count).view(parameter.value.sizes()).sin() / 8);
  }
  model.parameters.refresh();
  return model;
}

at::Tensor gradients_of_pass(TrainableModel& model, const PackedRows& rows, bool checkpointing,
                             std::uint64_t pass) {
  model.allocate_gradients();
  TrainableDecoder decoder(model, checkpointing);
  const at::Tensor hidden = decoder.forward(rows, pass);
  model.parameters.zero_gradients();
  decoder.backward(hidden.cos());
  return model.parameters.gradients().clone();
}

TEST(Dropout, OfAdaptersHappensInTrainingAlone) {
  const Golden golden(kTrainingGoldens / "llama.safetensors");
  const TokenRow row = golden.row("0");
  const TokenRow* pointer = &row;
  TrainableModel model = adapted(kShare);
  const TrainableModel plain = adapted(0);
  const PackedRows rows = pack({&pointer, 1}, model.architecture.vocabulary);
  TrainableDecoder decoder(model, false);
  EXPECT_TRUE(
      at::equal(decoder.hidden_states(rows), TrainableDecoder(plain, false).hidden_states(rows)));
  const at::Tensor first = decoder.forward(rows, 1).clone();
  EXPECT_FALSE(at::equal(first, decoder.forward(rows, 2)));
  EXPECT_TRUE(at::equal(first, decoder.forward(rows, 1)));
}

TEST(Dropout, IsTheSameWhereLayersAreComputedAgain) {
  const Golden golden(kTrainingGoldens / "llama.safetensors");
  const TokenRow row = golden.row("0");
  const TokenRow* pointer = &row;
  TrainableModel model = adapted(kShare);
  const PackedRows rows = pack({&pointer, 1}, model.architecture.vocabulary);
  const at::Tensor kept = gradients_of_pass(model, rows, false, 3);
  EXPECT_GT(largest(kept), 0);
  EXPECT_LT(distance(gradients_of_pass(model, rows, true, 3), kept), 1e-6 * largest(kept));
  EXPECT_GT(distance(gradients_of_pass(model, rows, true, 4), kept), 1e-2 * largest(kept));
}

}  // namespace
}  // namespace expo
