#include "expo/search/run/search_scorers.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "expo/search/live/model_scorers.h"

namespace expo {

void SearchScorers::open(const std::vector<AnswerObjective>& objectives, const ScorerParts& parts) {
  objectives_ = objectives;
  for (const AnswerObjective& each : objectives_) scorers_.push_back(make(each, parts));
}

std::unique_ptr<AnswerScorer> SearchScorers::make(const AnswerObjective& objective,
                                                  const ScorerParts& parts) {
  CommandScorerOptions options;
  switch (objective.kind) {
    case AnswerObjective::Kind::reward:
      engines_.push_back(parts.open_reward_model(objective.source));
      return reward_scorer(*engines_.back(), parts.cancellation);
    case AnswerObjective::Kind::command:
      options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * parts.timeout));
      return command_scorer(parts.filesystem, objective.source, options);
    case AnswerObjective::Kind::judge:
      return parts.open_judge();
    case AnswerObjective::Kind::implicit:
      break;
  }
  return implicit_scorer(parts.policy, parts.cancellation);
}

std::vector<AnswerScorer*> SearchScorers::list() const {
  std::vector<AnswerScorer*> result;
  for (const auto& each : scorers_) result.push_back(each.get());
  return result;
}

bool SearchScorers::has_program() const {
  return std::ranges::any_of(objectives_, [](const AnswerObjective& each) {
    return each.kind == AnswerObjective::Kind::command;
  });
}

std::vector<std::string> SearchScorers::warnings() const {
  std::vector<std::string> result;
  for (const auto& each : scorers_) std::ranges::move(each->warnings(), std::back_inserter(result));
  return result;
}

Json SearchScorers::identity() const {
  return scorers_.empty() ? Json() : scorers_.front()->identity();
}

template <typename Function>
Json SearchScorers::of_further(Function&& function) const {
  Json result = Json::object();
  for (std::size_t i = 1; i < scorers_.size(); ++i)
    result[objectives_[i].name] = function(*scorers_[i]);
  return result;
}

Json SearchScorers::further_identities() const {
  return of_further([](const AnswerScorer& each) { return each.identity(); });
}

Json SearchScorers::further_names() const {
  return of_further([](const AnswerScorer& each) { return each.name(); });
}

}  // namespace expo
