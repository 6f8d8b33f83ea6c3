#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"

namespace expo {

/// Where the config.json of two checkpoints differ in what the models compute, in words:
/// "rope_theta is 10000, and 500000 in SFT". Fields that say how a model was trained, is stored or
/// decoded are left out. As versions of transformers write more or fewer fields, one that only one
/// of them has counts if it is known to switch something on: scaled rotations, sliding windows,
/// biases, caps.
std::vector<std::string> configuration_differences(const Checkpoint& sft, const Checkpoint& model);

}  // namespace expo
