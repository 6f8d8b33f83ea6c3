#pragma once

#include "expo/core/json.h"
#include "expo/training/ranks/group.h"

namespace expo {

/// Ranks that have read other data, or go by other settings, would train on a mixture without a
/// word, or send each other messages of other sizes. Compares the values of an object with those of
/// the first rank. Throws Error(usage), on all ranks alike, naming the rank and the key ("data" and
/// "weights" are said in words). Called by all ranks.
void agree(RankGroup& ranks, const Json& same);

}  // namespace expo
