// Against what transformers computed (make_models.py): logits, log-probabilities, greedy ids, rewards.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "expo/checkpoint/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/model/decoder.h"
#include "expo/model/live_weights.h"

namespace expo {
namespace {

const std::filesystem::path kGoldens = EXPO_SOURCE_DIR "/tests/model/goldens";
constexpr double kTolerance = 1e-4;  // of the range of the logits

struct Model {
  explicit Model(const std::string& name)
      : checkpoint(open_checkpoint(posix_filesystem(), (kGoldens / name).string(), {},
                                   hugging_face_environment())),
        architecture(read_architecture(checkpoint->config(), name)),
        weights(architecture, checkpoint, nullptr, {}, CancellationToken()),
        decoder(architecture, weights.weights()),
        golden(open_checkpoint(posix_filesystem(), (kGoldens / name / "golden.safetensors").string(),
                               {}, hugging_face_environment())) {}

  at::Tensor expected(const std::string& name) const {
    const std::size_t index = golden->find(name).value();
    const Tensor& tensor = golden->tensors()[index];
    const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
    const at::Tensor result = at::empty(shape, tensor.dtype == DType::i64 ? at::kLong : at::kFloat);
    ReadScratch scratch;
    const auto bytes = golden->read(index, 0, tensor.elements(), scratch);
    std::memcpy(result.mutable_data_ptr(), bytes.data(), bytes.size());
    return result;
  }

  at::Tensor logits(const at::Tensor& ids) {
    const SequencePart part{0, 0, ids.size(0)};
    return decoder.logits(decoder.hidden_states(ids, {&part, 1}, nullptr));
  }

  KvCache cache(std::int64_t slots, std::int64_t capacity) const {
    return KvCache(architecture, slots, capacity, weights.weights().embedding.options());
  }

  std::shared_ptr<const Checkpoint> checkpoint;
  Architecture architecture;
  LiveWeights weights;
  Decoder decoder;
  std::shared_ptr<const Checkpoint> golden;
};

double range(const at::Tensor& values) { return (values.max() - values.min()).item<double>(); }

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class LanguageModels : public testing::TestWithParam<const char*> {};

TEST_P(LanguageModels, GivesTheLogitsOfTransformers) {
  Model model(GetParam());
  const at::Tensor expected = model.expected("logits");
  EXPECT_LT(distance(model.logits(model.expected("input_ids")), expected),
            kTolerance * range(expected));
}

TEST_P(LanguageModels, GivesTheLogProbabilitiesOfTransformers) {
  Model model(GetParam());
  const at::Tensor ids = model.expected("input_ids");
  const at::Tensor log_probs = at::log_softmax(model.logits(ids), -1)
                                   .narrow(0, 0, ids.size(0) - 1)
                                   .gather(1, ids.narrow(0, 1, ids.size(0) - 1).unsqueeze(1))
                                   .squeeze(1);
  EXPECT_LT(distance(log_probs, model.expected("log_probs")), 1e-4);
}

TEST_P(LanguageModels, ContinuesGreedilyAsTransformersThroughTheCache) {
  Model model(GetParam());
  KvCache cache = model.cache(2, 80);
  at::Tensor next = model.expected("input_ids").narrow(0, 0, 10);
  const at::Tensor expected = model.expected("greedy");
  std::int64_t position = 0;
  for (std::int64_t step = 0; step < expected.size(0); ++step) {
    const SequencePart part{1, position, next.size(0)};
    const at::Tensor hidden = model.decoder.hidden_states(next, {&part, 1}, &cache);
    position += next.size(0);
    next = model.decoder.logits(hidden.narrow(0, hidden.size(0) - 1, 1)).argmax(-1);
    ASSERT_EQ(next.item<std::int64_t>(), expected[step].item<std::int64_t>()) << "step " << step;
  }
}

TEST_P(LanguageModels, GivesPackedSequencesTheirOwnLogits) {
  Model model(GetParam());
  const at::Tensor ids = model.expected("input_ids");
  const std::vector<SequencePart> parts = {{0, 0, 7}, {1, 0, 30}, {2, 0, 3}};
  const at::Tensor packed =
      model.decoder.logits(model.decoder.hidden_states(ids, parts, nullptr));
  std::int64_t row = 0;
  for (const SequencePart& part : parts) {
    const at::Tensor alone = model.logits(ids.narrow(0, row, part.count));
    EXPECT_LT(distance(packed.narrow(0, row, part.count), alone), kTolerance * range(alone));
    row += part.count;
  }
}

TEST_P(LanguageModels, GivesTheSameThroughACacheFilledInPieces) {
  Model model(GetParam());
  KvCache cache = model.cache(1, 40);
  const at::Tensor ids = model.expected("input_ids");
  const at::Tensor expected = model.expected("logits");
  std::int64_t start = 0;
  for (const std::int64_t count : {13, 1, 20, 6}) {
    const SequencePart part{0, start, count};
    const at::Tensor logits = model.decoder.logits(
        model.decoder.hidden_states(ids.narrow(0, start, count), {&part, 1}, &cache));
    EXPECT_LT(distance(logits, expected.narrow(0, start, count)), kTolerance * range(expected));
    start += count;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LanguageModels,
                         testing::Values("llama", "llama_bias", "llama3_rope", "llama_linear_rope",
                                         "mistral", "qwen2", "qwen3", "gemma", "gemma2", "olmo2",
                                         "smollm3"),
                         [](const auto& test) { return std::string(test.param); });

class RewardModels : public testing::TestWithParam<const char*> {};

/// The last token that is no padding speaks for the row, as in transformers.
std::int64_t scored_token(const at::Tensor& ids, std::int64_t pad) {
  std::int64_t last = ids.size(0) - 1;
  while (last > 0 && ids[last].item<std::int64_t>() == pad) --last;
  return last;
}

TEST_P(RewardModels, GiveTheRawRewardsOfTransformers) {
  Model model(GetParam());
  const at::Tensor expected = model.expected("scores");
  for (std::int64_t i = 0; i < expected.size(0); ++i) {
    const at::Tensor ids = model.expected("input_ids_" + std::to_string(i));
    const at::Tensor scores = model.logits(ids);
    const std::int64_t row = scored_token(ids, model.architecture.pad_id);
    EXPECT_LT(distance(scores[row], expected[i]), kTolerance * range(scores)) << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RewardModels,
                         testing::Values("llama_reward", "mistral_reward", "qwen2_reward",
                                         "gemma2_reward"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Decoder, RefusesIdsAndPartsThatDoNotFit) {
  Model model("llama");
  const SequencePart part{0, 0, 3};
  EXPECT_THROW(model.decoder.hidden_states(at::tensor({1, 2, 96}, at::kLong), {&part, 1}, nullptr),
               Error);
  EXPECT_THROW(model.decoder.hidden_states(at::tensor({1, 2}, at::kLong), {&part, 1}, nullptr),
               Error);
  KvCache cache = model.cache(1, 2);
  EXPECT_THROW(model.decoder.hidden_states(at::tensor({1, 2, 3}, at::kLong), {&part, 1}, &cache),
               Error);
}

}  // namespace
}  // namespace expo
