#pragma once

#include <cstdint>
#include <vector>

namespace expo {

/// Returns the numbers below `count` in an order that depends on seed and stream alone.
std::vector<std::int64_t> shuffled(std::int64_t count, std::uint64_t seed, std::uint64_t stream);

/// Returns the rows that make up a fraction of a data set, ascending: ⌈fraction · count⌉ of them,
/// at least one. Fractions are nested: with the same seed, a smaller one is contained in a larger
/// one.
std::vector<std::int64_t> rows_of_fraction(std::int64_t count, double fraction, std::uint64_t seed);

}  // namespace expo
