#include "expo/search/live/answer_scorer.h"

#include <fmt/format.h>

namespace expo {

void AnswerScorer::check(const std::vector<Prompt>&) const {}

std::string place_of(const ScorableAnswer& answer) {
  return fmt::format("{}, sample {}", answer.prompt->place, answer.sample);
}

}  // namespace expo
