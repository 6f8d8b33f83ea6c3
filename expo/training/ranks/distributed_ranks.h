#pragma once

#include <memory>

#include "expo/training/ranks/group.h"
#include "expo/training/ranks/place.h"

namespace expo {

/// Meets the other ranks, each of which computes on a device of this kind, and talks with them: by
/// c10d's NCCL between GPUs where the program was built with it (kNcclPlugin), by gloo otherwise,
/// through ordinary memory. Every call throws Error(environment) where a rank is gone, or does not
/// come within so many seconds.
std::unique_ptr<RankGroup> join_ranks(const RankPlace& place, double patience, at::Device device);

}  // namespace expo
