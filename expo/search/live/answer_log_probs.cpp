#include "expo/search/live/answer_log_probs.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "expo/core/error.h"

namespace expo {
namespace {

bool is_empty(const Conversation& answered) {
  return content_text(answered.chat.messages.back()).empty();
}

}  // namespace

void check_fit(std::span<const Conversation> answered,
               const std::optional<std::vector<std::size_t>>& counts,
               const EngineDescription& engine) {
  for (std::size_t i = 0; counts && engine.context > 0 && i < answered.size(); ++i) {
    if (counts->at(i) <= engine.context) continue;
    throw input_error(fmt::format(
        "{}: the prompt and its answer have {} tokens, and the context of {} holds {}; give "
        "a smaller limit of tokens, or leave the row out",
        answered[i].place, counts->at(i), engine.name, engine.context));
  }
}

std::vector<AnswerLogProb> answer_log_probs(Engine& engine, std::span<const Conversation> answered,
                                            const CancellationToken& cancellation) {
  std::vector<Conversation> some;  // an empty answer has no token that could be asked for
  std::ranges::remove_copy_if(answered, std::back_inserter(some), is_empty);
  std::vector<AnswerLogProb> known;
  in_batches(
      some, kJudgedAtOnce, cancellation, [&](std::size_t, std::span<const Conversation> batch) {
        check_fit(batch, engine.count_log_prob_tokens(batch), engine.describe());
        for (const auto& tokens : engine.log_probs(
                 batch, [](std::uint64_t) {}, cancellation))
          known.push_back({std::accumulate(tokens.begin(), tokens.end(), 0.0), tokens.size()});
      });
  std::vector<AnswerLogProb> result;
  auto next = known.begin();
  for (const Conversation& one : answered)
    result.push_back(is_empty(one) ? AnswerLogProb{} : *next++);
  return result;
}

}  // namespace expo
