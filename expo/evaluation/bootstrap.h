#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace expo {

/// How often each of n rows is drawn in resample number `number`: n draws with replacement. It
/// depends on the arguments only, so that two models are compared on the same resamples.
std::vector<double> resample_counts(std::uint64_t seed, std::size_t number, std::size_t n);

/// The interval between the (1 − confidence) / 2 quantiles of at least one value, with linear
/// interpolation: the percentile interval of Efron & Tibshirani 1993, "An Introduction to the
/// Bootstrap", chapter 13.
std::pair<double, double> percentile_interval(std::vector<double> values, double confidence = 0.95);

}  // namespace expo
