#include "expo/training/loss/objective.h"

#include <algorithm>

namespace expo {
namespace {

constexpr std::string_view kSftMetrics[] = {"loss"};
constexpr std::string_view kDpoMetrics[] = {
    "loss",         "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
    "logps/chosen", "logps/rejected"};
constexpr std::string_view kRewardMetrics[] = {"loss", "rewards/chosen", "rewards/rejected",
                                               "rewards/margins", "rewards/accuracies"};

}  // namespace

std::span<const std::string_view> SftObjective::metrics() const {
  return kSftMetrics;
}

double SftObjective::weight(const Example& example) const {
  const auto& counts = example.rows.front().counts;
  return static_cast<double>(std::count(counts.begin() + 1, counts.end(), true));
}

void SftObjective::judge(const Example&, std::span<const double> values,
                         std::span<const std::int64_t>, std::span<double> gradients,
                         MetricSums& sums) const {
  sums.add("loss", -values[0]);
  gradients[0] = -1;
}

std::span<const std::string_view> DpoObjective::metrics() const {
  return kDpoMetrics;
}

void DpoObjective::judge(const Example& example, std::span<const double> values,
                         std::span<const std::int64_t> counts, std::span<double> gradients,
                         MetricSums& sums) const {
  const PairLoss pair = preference_loss(loss_, {values[0], values[1], example.reference[0],
                                                example.reference[1], counts[0], counts[1]});
  gradients[0] = pair.chosen_gradient;
  gradients[1] = pair.rejected_gradient;
  sums.add("loss", pair.loss);
  sums.add("rewards/chosen", pair.chosen_reward);
  sums.add("rewards/rejected", pair.rejected_reward);
  sums.add("rewards/margins", pair.chosen_reward - pair.rejected_reward);
  sums.add("rewards/accuracies", pair.chosen_reward > pair.rejected_reward ? 1 : 0);
  sums.add("logps/chosen", values[0]);
  sums.add("logps/rejected", values[1]);
}

std::span<const std::string_view> RewardObjective::metrics() const {
  return kRewardMetrics;
}

void RewardObjective::judge(const Example&, std::span<const double> values,
                            std::span<const std::int64_t>, std::span<double> gradients,
                            MetricSums& sums) const {
  const RankingLoss pair = ranking_loss(values[0], values[1], centring_);
  gradients[0] = pair.chosen_gradient;
  gradients[1] = pair.rejected_gradient;
  sums.add("loss", pair.loss);
  sums.add("rewards/chosen", values[0]);
  sums.add("rewards/rejected", values[1]);
  sums.add("rewards/margins", values[0] - values[1]);
  sums.add("rewards/accuracies", values[0] > values[1] ? 1 : 0);
}

}  // namespace expo
