#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Warnings about the files beside the weights of two checkpoints, one sentence each: token ids
/// that stand for different tokens (rows of embedding and head are subtracted by id), a tokenizer
/// or config.json that SFT has and ALIGNED lacks, a tokenizer.json that is not valid JSON.
std::vector<std::string> file_warnings(Filesystem& filesystem, const Checkpoint& sft,
                                       const Checkpoint& aligned);

}  // namespace expo
