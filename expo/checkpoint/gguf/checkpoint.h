#pragma once

#include <filesystem>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

enum class GgufNames {
  hugging_face,  ///< names and row order of transformers; Error(input) for an architecture it does
                 ///< not know
  native,        ///< names and row order of the file
};

/// Opens a GGUF file, version 2 or 3 (specification: docs/gguf.md of ggml). F32, F16, BF16, F64 and
/// integer tensors are delivered as stored; Q8_0, Q4_0 and Q4_1 blocks as the float32 values that
/// ggml's reference dequantisation gives, and Gemma's norms, kept plus one, as float32 too; other
/// block types are refused by name, as are the parts of a split model. Dimensions are given in
/// row-major order (GGUF's reversed).
///
/// With hugging_face names, config() and sidecars() hold config.json, generation_config.json,
/// tokenizer.json, tokenizer_config.json and the chat templates rebuilt from the metadata, so that
/// transformers answers with the converted checkpoint; a tokenizer that cannot be rebuilt is a
/// warning. Architectures: llama (Mistral and SmolLM2 too), smollm3, qwen2, qwen3, gemma, gemma2,
/// olmo2. With native names there are neither.
///
/// Every tensor has an extent. Where the rotary halves of attn_q and attn_k are taken apart, rows
/// change places within heads only: a read takes the same range of the file first and tells the
/// observer of it, then what the first and last head lack.
std::unique_ptr<Checkpoint> open_gguf(Filesystem& filesystem, const std::filesystem::path& file,
                                      GgufNames names);

}  // namespace expo
