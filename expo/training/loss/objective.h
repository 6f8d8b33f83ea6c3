#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "expo/training/data/example.h"
#include "expo/training/loss/metric_sums.h"
#include "expo/training/loss/preference_loss.h"

namespace expo {

/// The loss of an example as a function of one value per row, a log-probability or a reward.
/// Immutable.
class Objective {
 public:
  virtual ~Objective() = default;
  /// The names of the metrics, which are those of TRL and include "loss"; they live as long as the
  /// program.
  virtual std::span<const std::string_view> metrics() const = 0;
  /// The weight of an example in the mean over a step.
  virtual double weight(const Example& example) const = 0;
  /// `values` and `counts` (the number of tokens that each value sums over) belong to the example's
  /// rows. Sets `gradients`, the derivatives of the example's loss with respect to the values, and
  /// adds weight times each of metrics() to `sums`, once.
  virtual void judge(const Example& example, std::span<const double> values,
                     std::span<const std::int64_t> counts, std::span<double> gradients,
                     MetricSums& sums) const = 0;
};

/// Supervised fine-tuning: the mean of −log p over the tokens that count.
class SftObjective final : public Objective {
 public:
  std::span<const std::string_view> metrics() const override;
  double weight(const Example& example) const override;
  void judge(const Example& example, std::span<const double> values,
             std::span<const std::int64_t> counts, std::span<double> gradients,
             MetricSums& sums) const override;
};

/// Direct preference optimisation against Example::reference.
class DpoObjective final : public Objective {
 public:
  explicit DpoObjective(const PreferenceLoss& loss) : loss_(loss) {}
  std::span<const std::string_view> metrics() const override;
  double weight(const Example&) const override { return 1; }
  void judge(const Example& example, std::span<const double> values,
             std::span<const std::int64_t> counts, std::span<double> gradients,
             MetricSums& sums) const override;

 private:
  PreferenceLoss loss_;
};

/// Reward modelling: the Bradley–Terry loss of the rewards of both rows.
class RewardObjective final : public Objective {
 public:
  explicit RewardObjective(double centring) : centring_(centring) {}
  std::span<const std::string_view> metrics() const override;
  double weight(const Example&) const override { return 1; }
  void judge(const Example& example, std::span<const double> values,
             std::span<const std::int64_t> counts, std::span<double> gradients,
             MetricSums& sums) const override;

 private:
  double centring_;
};

}  // namespace expo
