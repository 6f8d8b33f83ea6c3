#include "expo/extrapolation/diagnosis/delta_measures.h"

#include <algorithm>
#include <cmath>

namespace expo {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double ratio(double numerator, double denominator) {
  return numerator == 0 ? 0 : numerator / denominator;
}

std::uint64_t scale_count(std::uint64_t count, double factor) {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(count) * factor));
}

}  // namespace

double relative_norm(const DeltaSums& sums) {
  return std::sqrt(ratio(sums.delta_squared, sums.sft_squared));
}

double cosine(const DeltaSums& sums) {
  if (sums.delta_squared == 0) return 1;
  const double lengths = std::sqrt(sums.theta_squared) * std::sqrt(sums.sft_squared);
  return lengths == 0 ? 0 : std::clamp(sums.theta_dot_sft / lengths, -1.0, 1.0);
}

double cosine_distance(const DeltaSums& sums) {
  const double theta = std::sqrt(sums.theta_squared);
  const double sft = std::sqrt(sums.sft_squared);
  if (sums.delta_squared == 0) return 0;
  if (theta == 0 || sft == 0) return 1;
  // ‖Δ‖² = (‖θ‖ − ‖θ_sft‖)² + 2‖θ‖‖θ_sft‖(1 − cosine)
  const double longer = (sums.theta_squared - sums.sft_squared) / (theta + sft);
  return std::clamp((sums.delta_squared - longer * longer) / (2 * theta * sft), 0.0, 2.0);
}

double changed_share(const DeltaSums& sums) {
  return share(sums.changed, sums.elements);
}

double lost_share(const DeltaSums& sums) {
  return share(sums.lost, sums.changed);
}

double effective_alpha(const DeltaSums& sums) {
  return sums.delta_squared == 0 ? 0 : sums.applied_dot_delta / sums.delta_squared;
}

double norm_growth(const DeltaSums& sums) {
  return sums.delta_squared == 0 ? 0 : (sums.theta_squared - sums.sft_squared) / sums.delta_squared;
}

DeltaSums scaled(DeltaSums sums, std::uint64_t elements) {
  const double factor = static_cast<double>(elements) / static_cast<double>(sums.elements);
  for (std::uint64_t* count :
       {&sums.changed, &sums.lost, &sums.nonfinite_inputs, &sums.nonfinite_created})
    *count = scale_count(*count, factor);
  for (double* sum : {&sums.theta_squared, &sums.sft_squared, &sums.theta_dot_sft,
                      &sums.delta_squared, &sums.applied_dot_delta})
    *sum *= factor;
  sums.elements = elements;
  return sums;
}

}  // namespace expo
