// Compares with what transformers computed (make_models.py): logits, log-probabilities, greedy ids
// and rewards.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/model/decoder.h"
#include "expo/model/live/live_weights.h"
#include "expo/model/tensor/decoder.h"
#include "tests/model/simulated_device.h"

namespace expo {
namespace {

const std::filesystem::path kGoldens = EXPO_SOURCE_DIR "/tests/model/goldens";
constexpr double kTolerance = 1e-4;  // relative to the range of the logits

/// The forward passes: row-major tensors in PyTorch's operators, the same on a simulated device,
/// and panels.
enum class Way { tensors, device, panels };

LiveWeightsOptions options_of(Way way) {
  LiveWeightsOptions options;
  options.panels = way == Way::panels;
  if (way == Way::device) options.device = simulated::device();
  return options;
}

struct Model {
  Model(const std::string& name, Way way)
      : checkpoint(open_checkpoint(posix_filesystem(), (kGoldens / name).string(), {},
                                   hugging_face_environment())),
        architecture(read_architecture(checkpoint->config(), name)),
        weights(architecture, checkpoint, nullptr, options_of(way), CancellationToken()),
        own_decoder(weights.make_decoder()),
        decoder(*own_decoder),
        golden(open_checkpoint(posix_filesystem(),
                               (kGoldens / name / "golden.safetensors").string(), {},
                               hugging_face_environment())) {}

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
    return logits(ids, {&part, 1}, nullptr);
  }
  at::Tensor logits(const at::Tensor& ids, std::span<const SequencePart> parts, KvCache* cache) {
    const auto whole = ids.contiguous();
    const std::span values(whole.const_data_ptr<std::int64_t>(),
                           static_cast<std::size_t>(whole.numel()));
    // Copied, because the next call would overwrite the result.
    return decoder.logits(decoder.hidden_states(values, parts, cache)).to(at::kCPU, false, true);
  }

  std::shared_ptr<const Checkpoint> checkpoint;
  Architecture architecture;
  LiveWeights weights;
  std::unique_ptr<Decoder> own_decoder;
  Decoder& decoder;
  std::shared_ptr<const Checkpoint> golden;
};

double range(const at::Tensor& values) {
  return (values.max() - values.min()).item<double>();
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const auto kWays = testing::Values(Way::tensors, Way::device, Way::panels);
using Case = std::tuple<const char*, Way>;

class LanguageModels : public testing::TestWithParam<Case> {};

std::string name_of(const testing::TestParamInfo<Case>& test) {
  constexpr const char* kNames[] = {"_tensors", "_device", "_panels"};
  return std::string(std::get<0>(test.param)) +
         kNames[static_cast<std::size_t>(std::get<1>(test.param))];
}

TEST_P(LanguageModels, GivesTheLogitsOfTransformers) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const at::Tensor expected = model.expected("logits");
  EXPECT_LT(distance(model.logits(model.expected("input_ids")), expected),
            kTolerance * range(expected));
}

TEST_P(LanguageModels, GivesTheLogProbabilitiesOfTransformers) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const at::Tensor ids = model.expected("input_ids");
  const at::Tensor log_probs = at::log_softmax(model.logits(ids), -1)
                                   .narrow(0, 0, ids.size(0) - 1)
                                   .gather(1, ids.narrow(0, 1, ids.size(0) - 1).unsqueeze(1))
                                   .squeeze(1);
  EXPECT_LT(distance(log_probs, model.expected("log_probs")), 1e-4);
}

TEST_P(LanguageModels, ContinuesGreedilyAsTransformersThroughTheCache) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto cache = model.decoder.make_cache(2, 80);
  at::Tensor next = model.expected("input_ids").narrow(0, 0, 10);
  const at::Tensor expected = model.expected("greedy");
  std::int64_t position = 0;
  for (std::int64_t step = 0; step < expected.size(0); ++step) {
    const SequencePart part{1, position, next.size(0)};
    const at::Tensor logits = model.logits(next, {&part, 1}, cache.get());
    position += next.size(0);
    next = logits.narrow(0, logits.size(0) - 1, 1).argmax(-1);
    ASSERT_EQ(next.item<std::int64_t>(), expected[step].item<std::int64_t>()) << "step " << step;
  }
}

TEST_P(LanguageModels, GivesPackedSequencesTheirOwnLogits) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const at::Tensor ids = model.expected("input_ids");
  const std::vector<SequencePart> parts = {{0, 0, 7}, {1, 0, 30}, {2, 0, 3}};
  const at::Tensor packed = model.logits(ids, parts, nullptr);
  std::int64_t row = 0;
  for (const SequencePart& part : parts) {
    const at::Tensor alone = model.logits(ids.narrow(0, row, part.count));
    EXPECT_LT(distance(packed.narrow(0, row, part.count), alone), kTolerance * range(alone));
    row += part.count;
  }
}

TEST_P(LanguageModels, GivesTheSameThroughACacheFilledInPieces) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto cache = model.decoder.make_cache(1, 40);
  const at::Tensor ids = model.expected("input_ids");
  const at::Tensor expected = model.expected("logits");
  std::int64_t start = 0;
  for (const std::int64_t count : {13, 1, 20, 6}) {
    const SequencePart part{0, start, count};
    const at::Tensor logits = model.logits(ids.narrow(0, start, count), {&part, 1}, cache.get());
    EXPECT_LT(distance(logits, expected.narrow(0, start, count)), kTolerance * range(expected));
    start += count;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LanguageModels,
                         testing::Combine(testing::Values("llama", "llama_bias", "llama3_rope",
                                                          "llama_linear_rope", "mistral", "qwen2",
                                                          "qwen3", "gemma", "gemma2", "olmo2",
                                                          "smollm3"),
                                          kWays),
                         name_of);

class RewardModels : public testing::TestWithParam<Case> {};

/// As in transformers, the last token that is not padding is scored.
std::int64_t scored_token(const at::Tensor& ids, std::int64_t pad) {
  std::int64_t last = ids.size(0) - 1;
  while (last > 0 && ids[last].item<std::int64_t>() == pad) --last;
  return last;
}

TEST_P(RewardModels, GiveTheRawRewardsOfTransformers) {
  Model model(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const at::Tensor expected = model.expected("scores");
  for (std::int64_t i = 0; i < expected.size(0); ++i) {
    const at::Tensor ids = model.expected("input_ids_" + std::to_string(i));
    const at::Tensor scores = model.logits(ids);
    const std::int64_t row = scored_token(ids, model.architecture.pad_id);
    EXPECT_LT(distance(scores[row], expected[i]), kTolerance * range(scores)) << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RewardModels,
                         testing::Combine(testing::Values("llama_reward", "mistral_reward",
                                                          "qwen2_reward", "gemma2_reward"),
                                          kWays),
                         name_of);

TEST(Decoder, RefusesIdsAndPartsThatDoNotFit) {
  for (const Way way : {Way::tensors, Way::device, Way::panels}) {
    Model model("llama", way);
    const SequencePart part{0, 0, 3};
    const auto refused = [&](std::initializer_list<std::int64_t> ids, KvCache* cache) {
      const std::vector<std::int64_t> list(ids);
      EXPECT_THROW(model.decoder.hidden_states(list, {&part, 1}, cache), Error);
    };
    refused({1, 2, 96}, nullptr);
    refused({1, -2, 3}, nullptr);
    refused({1, 2}, nullptr);
    const auto cache = model.decoder.make_cache(1, 2);
    refused({1, 2, 3}, cache.get());
  }
}

TEST(TensorDecoder, AttendsTogetherAsOneByOne) {
  for (const char* name : {"llama", "mistral", "gemma2", "qwen3"}) {
    const auto checkpoint = open_checkpoint(posix_filesystem(), (kGoldens / name).string(), {},
                                            hugging_face_environment());
    const Architecture architecture = read_architecture(checkpoint->config(), name);
    DecoderWeights weights = allocate_weights(architecture, at::kFloat);
    at::manual_seed(20261124);
    for (auto& [_, tensor] : weights.named) tensor.normal_(0, 0.2);
    std::vector<at::Tensor> results;
    for (const auto steps : {TensorDecoder::Steps::one_by_one, TensorDecoder::Steps::together}) {
      TensorDecoder decoder(architecture, weights, steps);
      const auto cache = decoder.make_cache(5, 40);
      const std::vector<std::int64_t> prompts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
      const std::vector<SequencePart> first = {{3, 0, 8}, {1, 0, 4}};
      decoder.hidden_states(prompts, first, cache.get());
      for (std::int64_t step = 0; step < 20; ++step) {
        const std::vector<std::int64_t> ids = {20 + step, 50 + step};
        const std::vector<SequencePart> parts = {{3, 8 + step, 1}, {1, 4 + step, 1}};
        results.push_back(decoder.hidden_states(ids, parts, cache.get()));
      }
    }
    for (std::size_t i = 0; i < 20; ++i)
      EXPECT_LT(distance(results[i], results[i + 20]), 1e-4) << name << ", step " << i;
  }
}

/// Compares bits rather than numbers, in both types.
TEST(PanelDecoder, GivesASequenceTheSameBitsWhateverRunsBesideIt) {
  for (const char* name : {"llama", "mistral", "gemma2", "qwen3"}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      LiveWeightsOptions options;
      options.dtype = dtype;
      const auto checkpoint = open_checkpoint(posix_filesystem(), (kGoldens / name).string(), {},
                                              hugging_face_environment());
      const Architecture architecture = read_architecture(checkpoint->config(), name);
      LiveWeights weights(architecture, checkpoint, nullptr, options, CancellationToken());
      const auto decoder = weights.make_decoder();
      EXPECT_TRUE(decoder->is_batch_invariant());
      std::vector<std::int64_t> ids(40);
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(7 * i % 90);
      const SequencePart whole{0, 0, 40};
      const at::Tensor alone = decoder->hidden_states(ids, {&whole, 1}, nullptr);
      // The sequence runs beside another one, and in pieces through a cache.
      std::vector<std::int64_t> both(ids.rbegin(), ids.rend());
      both.insert(both.end(), ids.begin(), ids.end());
      const std::vector<SequencePart> parts = {{0, 0, 40}, {1, 0, 40}};
      EXPECT_TRUE(decoder->hidden_states(both, parts, nullptr).narrow(0, 40, 40).equal(alone))
          << name;
      const auto cache = decoder->make_cache(3, 64);
      for (std::int64_t start = 0, count = 1; start < 40; start += count, count = count % 5 + 1) {
        count = std::min<std::int64_t>(count, 40 - start);
        const SequencePart piece{2, start, count};
        const std::span some(ids.data() + start, static_cast<std::size_t>(count));
        EXPECT_TRUE(decoder->hidden_states(some, {&piece, 1}, cache.get())
                        .equal(alone.narrow(0, start, count)))
            << name << " at " << start;
      }
    }
  }
}

}  // namespace
}  // namespace expo
