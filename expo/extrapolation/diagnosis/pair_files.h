#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// What the files around two checkpoints warn of, a sentence each: token ids that stand for other
/// tokens (rows of embedding and head are subtracted by id), an ALIGNED without the tokenizer or
/// the config.json that SFT has, a tokenizer.json that is no JSON.
std::vector<std::string> file_warnings(Filesystem& filesystem, const Checkpoint& sft,
                                       const Checkpoint& aligned);

}  // namespace expo
