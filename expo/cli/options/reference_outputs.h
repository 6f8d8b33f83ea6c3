#pragma once

#include <filesystem>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The answers of AlpacaEval 2.0's baseline to its 805 instructions in the local Hugging Face
/// cache, where `hf download --repo-type dataset` and the library `datasets` put them. Throws
/// Error(input) with the command that downloads them if they are not there.
std::filesystem::path cached_reference_outputs(Filesystem& filesystem,
                                               const Environment& environment);

}  // namespace expo
