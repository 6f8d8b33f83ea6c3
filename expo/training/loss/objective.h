#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "expo/training/data/example.h"
#include "expo/training/loss/metric_sums.h"
#include "expo/training/loss/preference_loss.h"

namespace expo {

/// What one number of each row is worth: a row's log-probability or its reward. Immutable.
class Objective {
 public:
  virtual ~Objective() = default;
  /// The names of the metrics, as TRL has them, "loss" among them; they live as long as the
  /// program.
  virtual std::span<const std::string_view> metrics() const = 0;
  /// What an example counts in the mean over a step.
  virtual double weight(const Example& example) const = 0;
  /// `values` and `counts` (the tokens that each value sums over) are the rows'; sets `gradients`,
  /// the derivatives of the example's loss by them, and adds weight times each of metrics() to
  /// `sums`, once.
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

/// A reward model: Bradley and Terry's loss of the rewards of both rows.
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
