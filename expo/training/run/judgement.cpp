#include "expo/training/run/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace expo {

Judgement::Judgement(const Objective& objective)
    : objective_(objective), sums_(objective.metrics()) {}

std::vector<double> Judgement::add(std::span<const Example* const> examples,
                                   std::span<const double> values,
                                   std::span<const std::int64_t> counts) {
  std::vector<double> gradients(values.size());
  std::size_t first = 0;
  for (const Example* example : examples) {
    const std::size_t count = example->rows.size();
    const auto row_values = values.subspan(first, count);
    const auto row_gradients = std::span(gradients).subspan(first, count);
    objective_.judge(*example, row_values, counts.subspan(first, count), row_gradients, sums_);
    sums_.end_example();
    note_failure(*example, row_values, row_gradients);
    tokens_ += example->tokens();
    first += count;
  }
  return gradients;
}

void Judgement::note_failure(const Example& example, std::span<const double> values,
                             std::span<const double> gradients) {
  const auto is_no_number = [](double value) { return !std::isfinite(value); };
  if (!failure_.empty()) return;
  if (const auto bad = std::ranges::find_if(values, is_no_number); bad != values.end()) {
    failure_ = fmt::format("the model gives {} for {}", *bad, example.place);
  } else if (std::ranges::any_of(gradients, is_no_number)) {
    failure_ = fmt::format("the loss of {} is not a number", example.place);
  }
}

Evaluation Judgement::combine(RankGroup& ranks, double weight) const {
  const auto sums = sums_.sums();
  const std::size_t names = sums.size();
  at::Tensor shared = at::zeros({static_cast<std::int64_t>(names + 2)}, at::kDouble);
  auto* numbers = shared.mutable_data_ptr<double>();
  std::ranges::copy(sums, numbers);
  numbers[names] = static_cast<double>(tokens_);
  numbers[names + 1] = failed() ? 1 : 0;
  ranks.sum(shared);
  Evaluation result;
  for (std::size_t i = 0; i < names; ++i)
    result.metrics[std::string(sums_.names()[i])] = numbers[i] / weight;
  result.tokens = static_cast<std::int64_t>(numbers[names]);
  result.failure = failure_;
  if (result.failure.empty() && numbers[names + 1] > 0)
    result.failure = "the model on another rank gives a value that is not a number";
  return result;
}

}  // namespace expo
