#include "expo/training/run/evaluator.h"

#include <map>

#include "expo/training/ranks/shares.h"

namespace expo {

std::vector<const TokenRow*> rows_of(std::span<const Example* const> examples) {
  std::vector<const TokenRow*> rows;
  for (const Example* example : examples) {
    for (const TokenRow& row : example->rows) rows.push_back(&row);
  }
  return rows;
}

double weight_of(const Objective& objective, std::span<const Example* const> examples) {
  double weight = 0;
  for (const Example* example : examples) weight += objective.weight(*example);
  return weight;
}

Evaluator::Evaluator(RowPass& rows, RankGroup& ranks, const PassLimits& limits,
                     const CancellationToken& cancellation)
    : rows_(rows), ranks_(ranks), limits_(limits), cancellation_(cancellation) {}

std::vector<std::vector<const Example*>> Evaluator::passes(
    std::span<const Example* const> examples) const {
  std::vector<std::vector<const Example*>> result;
  std::int64_t tokens = 0;
  for (const Example* example : share_of(examples, ranks_.rank(), ranks_.size())) {
    const bool full = result.empty() || tokens + example->tokens() > limits_.tokens ||
                      static_cast<std::int64_t>(result.back().size()) == limits_.examples;
    if (full) {
      result.emplace_back();
      tokens = 0;
    }
    result.back().push_back(example);
    tokens += example->tokens();
  }
  return result;
}

std::vector<double> Evaluator::row_values(std::span<const Example* const> examples) {
  std::map<const Example*, std::vector<double>> mine;
  for (const auto& pass : passes(examples)) {
    cancellation_.check();
    const auto values = rows_.values(rows_of(pass));
    auto next = values.begin();
    for (const Example* example : pass) {
      const auto last = next + static_cast<std::ptrdiff_t>(example->rows.size());
      mine[example].assign(next, last);
      next = last;
    }
  }
  std::vector<double> all;
  for (const Example* example : examples) {
    // The values of other ranks are zero here.
    std::vector<double>& values = mine[example];
    values.resize(example->rows.size());
    all.insert(all.end(), values.begin(), values.end());
  }
  at::Tensor shared = at::tensor(all, at::kDouble);
  ranks_.sum(shared);
  const auto* data = shared.const_data_ptr<double>();
  return {data, data + shared.numel()};
}

Evaluation Evaluator::evaluate(const Objective& objective,
                               std::span<const Example* const> examples) {
  Judgement judgement(objective);
  for (const auto& pass : passes(examples)) {
    cancellation_.check();
    const auto values = rows_.values(rows_of(pass));
    judgement.add(pass, values, rows_.counts());
  }
  return judgement.combine(ranks_, weight_of(objective, examples));
}

}  // namespace expo
