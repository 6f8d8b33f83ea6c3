#pragma once

#include <span>
#include <vector>

#include "expo/training/data/example.h"

namespace expo {

/// The examples of one rank of several, in the order in which they were given: a step takes as long
/// as the rank with the most tokens, so that the longest come first, each to the rank that has the
/// fewest tokens so far (Graham, "Bounds on multiprocessing timing anomalies", 1969).
std::vector<const Example*> share_of(std::span<const Example* const> examples, int rank, int ranks);

}  // namespace expo
