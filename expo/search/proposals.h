#pragma once

#include <span>
#include <vector>

namespace expo {

/// The α in the middle (on the scale of log_place) between `leader` and each of its neighbours
/// among `alphas`, unless they are so close that nothing can be gained there.
std::vector<double> between_neighbours(std::span<const double> alphas, double leader);

/// The α one step beyond the largest of `alphas`, as wide as the step before it but at least a
/// doubling.
double beyond(std::span<const double> alphas);

}  // namespace expo
