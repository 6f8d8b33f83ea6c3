#include "expo/generation/sequence_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/generation/packed_chunks.h"

namespace expo {
namespace {

/// Rows of logits that are held at once: with a large vocabulary each takes 0.6 MB.
constexpr std::int64_t kLogitRows = 64;

using TokensOf = std::function<const std::vector<TokenId>&(std::size_t)>;
using Use = std::function<void(std::size_t index, const at::Tensor& hidden)>;

at::Tensor to_ids(const std::vector<std::int64_t>& ids) {
  return at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong);
}

/// Runs all sequences through the decoder, chunk by chunk, and passes on the hidden states of each.
void run_sequences(Decoder& decoder, std::size_t count, const TokensOf& tokens_of,
                   const ScoringOptions& options, const CancellationToken& cancellation,
                   const Use& use) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < count; ++i) lengths.push_back(tokens_of(i).size());
  for (const std::size_t length : lengths) check_sequence(decoder.architecture(), length);
  const bool alone = options.deterministic && !decoder.is_batch_invariant();
  for (const auto& chunk : packed_chunks(lengths, alone ? 1 : options.chunk_tokens)) {
    cancellation.check();
    std::vector<std::int64_t> ids;
    std::vector<SequencePart> parts;
    for (const std::size_t index : chunk) {
      const auto& tokens = tokens_of(index);
      ids.insert(ids.end(), tokens.begin(), tokens.end());
      parts.push_back({0, 0, static_cast<std::int64_t>(tokens.size())});
    }
    const at::Tensor hidden = decoder.hidden_states(ids, parts, nullptr);
    std::int64_t row = 0;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      use(chunk[i], hidden.narrow(0, row, parts[i].count));
      row += parts[i].count;
    }
    if (options.advance) options.advance(ids.size());
  }
}

std::vector<float> to_vector(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kCPU, at::kFloat).contiguous();
  const auto* data = flat.const_data_ptr<float>();
  return {data, data + flat.numel()};
}

std::size_t pooled_token(const std::vector<TokenId>& tokens, std::int64_t pad) {
  std::size_t last = tokens.size() - 1;
  while (last > 0 && static_cast<std::int64_t>(tokens[last]) == pad) --last;
  // In a sequence of nothing but padding, transformers uses the first token.
  return last;
}

void require_head(const Decoder& decoder, ModelHead head) {
  if (decoder.architecture().head == head) return;
  throw usage_error(head == ModelHead::score
                        ? "this model gives no rewards, because it is a language model; a "
                          "…ForSequenceClassification is needed"
                        : "this is a reward model, which gives no token probabilities; a "
                          "language model is needed");
}

std::vector<float> log_probs_of(Decoder& decoder, const at::Tensor& hidden,
                                const AnsweredPrompt& answered) {
  std::vector<float> result;
  const auto end = static_cast<std::int64_t>(answered.tokens.size());
  for (auto first = static_cast<std::int64_t>(answered.answer_start); first < end;
       first += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, end - first);
    const std::vector<std::int64_t> ids(answered.tokens.begin() + first,
                                        answered.tokens.begin() + first + rows);
    const at::Tensor all = at::log_softmax(decoder.logits(hidden.narrow(0, first - 1, rows)), -1);
    const auto some = to_vector(all.gather(1, to_ids(ids).to(all.device()).unsqueeze(1)));
    result.insert(result.end(), some.begin(), some.end());
  }
  return result;
}

}  // namespace

void check_sequence(const Architecture& architecture, std::size_t tokens) {
  if (tokens == 0) throw input_error("a sequence has no tokens; expected at least one");
  if (static_cast<std::int64_t>(tokens) > architecture.max_positions) {
    throw input_error(fmt::format("a sequence has {} tokens, but the model accepts at most {}",
                                  tokens, architecture.max_positions));
  }
}

std::vector<std::vector<float>> rewards(Decoder& decoder,
                                        std::span<const std::vector<TokenId>> sequences,
                                        const ScoringOptions& options,
                                        const CancellationToken& cancellation) {
  const c10::InferenceMode no_gradients;
  require_head(decoder, ModelHead::score);
  std::vector<std::vector<float>> result(sequences.size());
  const auto score = [&](std::size_t index, const at::Tensor& hidden) {
    const std::size_t at = pooled_token(sequences[index], decoder.architecture().pad_id);
    result[index] = to_vector(decoder.logits(hidden.narrow(0, static_cast<std::int64_t>(at), 1)));
    if (!std::ranges::all_of(result[index], [](float value) { return std::isfinite(value); }))
      throw input_error(
          "the reward model's output is not finite: its weights are damaged, or too large for this "
          "type");
  };
  run_sequences(
      decoder, sequences.size(),
      [&](std::size_t i) -> const std::vector<TokenId>& { return sequences[i]; }, options,
      cancellation, score);
  return result;
}

std::vector<std::vector<float>> answer_log_probs(Decoder& decoder,
                                                 std::span<const AnsweredPrompt> answered,
                                                 const ScoringOptions& options,
                                                 const CancellationToken& cancellation) {
  const c10::InferenceMode no_gradients;
  require_head(decoder, ModelHead::language);
  for (const AnsweredPrompt& one : answered) {
    if (one.answer_start < 1 || one.answer_start > one.tokens.size())
      throw usage_error(
          "an answer must begin after the first token of its sequence, and within it");
  }
  std::vector<std::vector<float>> result(answered.size());
  const auto score = [&](std::size_t index, const at::Tensor& hidden) {
    result[index] = log_probs_of(decoder, hidden, answered[index]);
    if (std::ranges::any_of(result[index], [](float value) { return std::isnan(value); }))
      throw input_error(
          "the model's logits are not numbers: its weights are damaged, or too large for this "
          "type");
  };
  run_sequences(
      decoder, answered.size(),
      [&](std::size_t i) -> const std::vector<TokenId>& { return answered[i].tokens; }, options,
      cancellation, score);
  return result;
}

}  // namespace expo
