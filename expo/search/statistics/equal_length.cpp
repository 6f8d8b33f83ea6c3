#include "expo/search/statistics/equal_length.h"

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/search/statistics/distributions.h"
#include "expo/search/statistics/summary.h"

namespace expo {

std::optional<EqualLengthGain> gain_at_equal_length(std::span<const double> score_differences,
                                                    std::span<const double> length_differences) {
  if (score_differences.size() != length_differences.size()) {
    throw usage_error("gain_at_equal_length: expected as many lengths as scores");
  }
  if (score_differences.size() < 3) return std::nullopt;
  const Summary score = summarize(score_differences);
  const Summary length = summarize(length_differences);
  const auto n = static_cast<double>(score.count);
  const double spread = length.deviation * length.deviation * (n - 1);
  if (!(spread > 0)) return std::nullopt;
  double product = 0;
  for (std::size_t i = 0; i < score.count; ++i) {
    product += (score_differences[i] - score.mean) * (length_differences[i] - length.mean);
  }
  EqualLengthGain result;
  result.per_unit = product / spread;
  result.gain = score.mean - result.per_unit * length.mean;
  double residual = 0;
  for (std::size_t i = 0; i < score.count; ++i) {
    const double left =
        score_differences[i] - result.gain - result.per_unit * length_differences[i];
    residual += left * left;
  }
  result.standard_error =
      std::sqrt(residual / (n - 2) * (1 / n + length.mean * length.mean / spread));
  const double half = student_quantile(0.975, n - 2) * result.standard_error;
  result.interval = {result.gain - half, result.gain + half};
  return result;
}

std::optional<LengthSurge> surge_of_length(std::span<const LengthAtAlpha> curve) {
  constexpr double kSmall = 0.5;
  constexpr double kSurge = 1.3;
  const auto zero = std::find_if(curve.begin(), curve.end(),
                                 [](const LengthAtAlpha& point) { return point.alpha == 0; });
  if (zero == curve.end() || !(zero->length > 0)) return std::nullopt;
  std::optional<LengthSurge> found;
  for (const LengthAtAlpha& point : curve) {
    const double ratio = point.length / zero->length;
    const bool is_small = point.alpha > 0 && point.alpha <= kSmall;
    if (!is_small || ratio < kSurge || (found && found->alpha <= point.alpha)) continue;
    found = LengthSurge{point.alpha, ratio};
  }
  return found;
}

}  // namespace expo
