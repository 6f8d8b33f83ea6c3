#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/search/run/scoring_setting.h"

namespace expo {

/// What rounding makes of an α.
struct RoundingEffect {
  std::optional<double> effective_alpha = {};  ///< std::nullopt where nothing differs from SFT
  /// The share of the changed weights whose update is rounded away; std::nullopt at α = 0, which
  /// asks for no update, and where nothing differs.
  std::optional<double> lost = {};
};

/// What the setting of a search makes of the α of its pairs, judged by a sample of the weights:
/// of rounding to nearest or with the setting's seed. Each α of a pair is measured once. Keeps the
/// files' headers open.
class RoundingEffects {
 public:
  /// `cancellation` must outlive this object.
  RoundingEffects(std::shared_ptr<const Checkpoint> sft,
                  std::vector<std::shared_ptr<const Checkpoint>> aligned, ScoringSetting setting,
                  const SettingRequest& request, const CancellationToken& cancellation);

  /// Measures several α of a pair in one pass. Throws what make_plan and sample_effects throw.
  void measure(std::size_t pair, std::span<const double> alphas);
  /// Measures the α unless it has been. Throws what measure() throws.
  RoundingEffect of(std::size_t pair, double alpha);
  /// The effect of an α that rounding to nearest bends, as keeps_alpha() says; std::nullopt if it
  /// is kept, as stochastic rounding always keeps it on average.
  std::optional<BentAlpha> bent(std::size_t pair, double alpha);

 private:
  std::shared_ptr<const Checkpoint> sft_;
  std::vector<std::shared_ptr<const Checkpoint>> aligned_;
  ScoringSetting setting_;
  MismatchPolicy on_mismatch_;
  unsigned threads_;
  const CancellationToken& cancellation_;
  std::map<std::pair<std::size_t, double>, RoundingEffect> known_;
};

}  // namespace expo
