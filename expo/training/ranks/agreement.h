#pragma once

#include "expo/core/json.h"
#include "expo/training/ranks/group.h"

namespace expo {

/// Checks that the values of an object are the same on all ranks. Ranks that have read different
/// data or have different settings would silently train on a mixture, or send each other messages
/// of different sizes. Throws Error(usage) on all ranks alike, naming the rank and the key ("data"
/// and "weights" are put into words). All ranks must call it.
void agree(RankGroup& ranks, const Json& same);

}  // namespace expo
