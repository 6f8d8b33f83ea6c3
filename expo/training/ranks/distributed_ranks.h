#pragma once

#include <memory>

#include "expo/training/ranks/group.h"
#include "expo/training/ranks/place.h"

namespace expo {

/// Connects to the other ranks, each of which computes on a device of this kind. They communicate
/// by c10d's NCCL between GPUs if the program was built with it (kNcclPlugin), otherwise by gloo
/// through CPU memory. Every call throws Error(environment) if a rank is gone or does not answer
/// within so many seconds.
std::unique_ptr<RankGroup> join_ranks(const RankPlace& place, double patience, at::Device device);

}  // namespace expo
