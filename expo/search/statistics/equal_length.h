#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace expo {

/// What is left of a gain when the difference of lengths is regressed out.
struct EqualLengthGain {
  double gain = 0;                     ///< intercept: the expected difference at equal lengths
  double standard_error = 0;           ///< of the gain
  std::pair<double, double> interval;  ///< 95 %, by Student's t with n − 2 degrees of freedom
  double per_unit = 0;                 ///< slope: score per unit of length
};

/// Regresses the differences of prompt means of the score on those of the length, by least squares.
/// It has the purpose of AlpacaEval's length-controlled win rate (Dubois et al. 2024), which sets
/// the difference of lengths to 0 in a logistic model of preferences; scores are not preferences,
/// so the model is linear here. std::nullopt for fewer than 3 prompts, or if all differences of
/// length are equal, as nothing can be said then.
std::optional<EqualLengthGain> gain_at_equal_length(std::span<const double> score_differences,
                                                    std::span<const double> length_differences);

/// The mean length of the answers at one α.
struct LengthAtAlpha {
  double alpha = 0;
  double length = 0;
};

/// A surge of length: the smallest α at which answers are much longer than at α = 0.
struct LengthSurge {
  double alpha = 0;
  double ratio = 0;  ///< of the length there to that at α = 0
};

/// Looks for a surge at small α (0 < α ≤ 0.5, where extrapolation is mild): at least 1.3 times the
/// length at α = 0. The paper reads it as a sign that training has learnt length rather than
/// preference (§3.3, figure 5). std::nullopt without a surge, or if α = 0 is missing or empty.
std::optional<LengthSurge> surge_of_length(std::span<const LengthAtAlpha> curve);

}  // namespace expo
