#include "expo/training/loss/objective.h"

#include <algorithm>

namespace expo {

double SftObjective::weight(const Example& example) const {
  const auto& counts = example.rows.front().counts;
  return static_cast<double>(std::count(counts.begin() + 1, counts.end(), true));
}

void SftObjective::judge(const Example&, std::span<const double> values,
                         std::span<const std::int64_t>, std::span<double> gradients,
                         MetricSums& sums) const {
  sums["loss"] -= values[0];
  gradients[0] = -1;
}

void DpoObjective::judge(const Example& example, std::span<const double> values,
                         std::span<const std::int64_t> counts, std::span<double> gradients,
                         MetricSums& sums) const {
  const PairLoss pair = preference_loss(loss_, {values[0], values[1], example.reference[0],
                                                example.reference[1], counts[0], counts[1]});
  gradients[0] = pair.chosen_gradient;
  gradients[1] = pair.rejected_gradient;
  sums["loss"] += pair.loss;
  sums["rewards/chosen"] += pair.chosen_reward;
  sums["rewards/rejected"] += pair.rejected_reward;
  sums["rewards/margins"] += pair.chosen_reward - pair.rejected_reward;
  sums["rewards/accuracies"] += pair.chosen_reward > pair.rejected_reward ? 1 : 0;
  sums["logps/chosen"] += values[0];
  sums["logps/rejected"] += values[1];
}

void RewardObjective::judge(const Example&, std::span<const double> values,
                            std::span<const std::int64_t>, std::span<double> gradients,
                            MetricSums& sums) const {
  const RankingLoss pair = ranking_loss(values[0], values[1], centring_);
  gradients[0] = pair.chosen_gradient;
  gradients[1] = pair.rejected_gradient;
  sums["loss"] += pair.loss;
  sums["rewards/chosen"] += values[0];
  sums["rewards/rejected"] += values[1];
  sums["rewards/margins"] += values[0] - values[1];
  sums["rewards/accuracies"] += values[0] > values[1] ? 1 : 0;
}

}  // namespace expo
