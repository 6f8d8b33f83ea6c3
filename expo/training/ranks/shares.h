#pragma once

#include <span>
#include <vector>

#include "expo/training/data/example.h"

namespace expo {

/// Returns the examples of one rank of several, in the order in which they were given. A step takes
/// as long as the rank with the most tokens, so the longest examples are assigned first, each to
/// the rank with the fewest tokens so far (Graham, "Bounds on multiprocessing timing anomalies",
/// 1969).
std::vector<const Example*> share_of(std::span<const Example* const> examples, int rank, int ranks);

}  // namespace expo
