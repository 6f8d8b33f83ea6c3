#pragma once

#include <filesystem>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The names of a GGUF file's tensors and the order of their rows.
enum class GgufNames {
  hugging_face,  ///< those of transformers; Error(input) for an unknown architecture
  native,        ///< names and row order of the file
};

/// Opens a GGUF file of version 2 or 3 (specification: docs/gguf.md of ggml). F32, F16, BF16, F64
/// and integer tensors are delivered as stored. Q8_0, Q4_0 and Q4_1 blocks are delivered as the
/// float32 values of ggml's reference dequantisation; so are Gemma's norms, which are stored plus
/// one. Other block types are refused by name, and so are the parts of a split model. Dimensions
/// are given in row-major order (the reverse of GGUF's).
/// row-major order (GGUF's reversed).
///
/// With hugging_face names, config() and sidecars() hold config.json, generation_config.json,
/// tokenizer.json, tokenizer_config.json and the chat templates, rebuilt from the metadata so that
/// transformers can run the converted checkpoint; a tokenizer that cannot be rebuilt causes a
/// warning. Architectures: llama (including Mistral and SmolLM2), smollm3, qwen2, qwen3, gemma,
/// gemma2, olmo2. With native names config() and sidecars() are empty.
///
/// Every tensor has an extent. Where the interleaved rotary halves of attn_q and attn_k are
/// separated, rows move within heads only: a read first takes the same range of the file and passes
/// it to the observer, and then reads what the first and the last head lack.
std::unique_ptr<Checkpoint> open_gguf(Filesystem& filesystem, const std::filesystem::path& file,
                                      GgufNames names);

}  // namespace expo
