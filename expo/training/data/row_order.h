#pragma once

#include <cstdint>
#include <vector>

namespace expo {

/// The numbers below `count` in an order that depends on seed and stream alone.
std::vector<std::int64_t> shuffled(std::int64_t count, std::uint64_t seed, std::uint64_t stream);

/// Which rows make up a fraction of a data set, ascending: ⌈fraction · count⌉ of them, at least
/// one. Nested: a smaller fraction with the same seed lies within a larger one.
std::vector<std::int64_t> rows_of_fraction(std::int64_t count, double fraction, std::uint64_t seed);

}  // namespace expo
