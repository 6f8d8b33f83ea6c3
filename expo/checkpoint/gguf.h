#pragma once

#include <filesystem>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/filesystem.h"

namespace expo {

enum class GgufNames {
  hugging_face,  ///< names and row order of transformers; Error(input) for an architecture it does
                 ///< not know
  native,        ///< names and row order of the file
};

/// Opens a GGUF file, version 2 or 3 (specification: docs/gguf.md of ggml). F32, F16 and BF16
/// tensors are delivered as stored; Q8_0, Q4_0 and Q4_1 blocks as the float32 values that ggml's
/// reference dequantisation gives; other block types are refused by name. Dimensions are given in
/// row-major order (GGUF's reversed). With hugging_face names, config() and sidecars() hold
/// config.json, generation_config.json, tokenizer.json, tokenizer_config.json and the chat template
/// rebuilt from the metadata, so that transformers answers with the converted checkpoint.
std::unique_ptr<Checkpoint> open_gguf(Filesystem& filesystem, const std::filesystem::path& file,
                                      GgufNames names);

}  // namespace expo
