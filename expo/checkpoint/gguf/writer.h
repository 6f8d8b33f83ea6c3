#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "expo/checkpoint/gguf/blocks.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Lays out one GGUF file `name` of version 3. The metadata of the GGUF file `source` is copied key
/// by key in order (general.file_type is adjusted to the types of `tensors`), and the tensors have
/// their native names; shapes are row-major here and reversed on disk. Throws Error(usage) for a
/// type that GGUF output does not offer (it offers F32, F16, BF16 and Q8_0) and for a Q8_0 tensor
/// whose rows are not multiples of 32.
OutputLayout layout_gguf(Filesystem& filesystem, const std::filesystem::path& source,
                         const std::vector<OutputTensor>& tensors, const std::string& name);

}  // namespace expo
