#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// The transform that turns a GGUF tensor's values into those that transformers stores under the
/// Hugging Face name.
enum class GgufTransform {
  none,
  /// Reorders the rows of attn_q and attn_k, in which GGUF interleaves the two rotary halves of a
  /// head. Row (half, i) of a head of 2n rows is the file's row 2i + half.
  unpermute,
  subtract_one,  ///< subtracts one, in float32, from norm weights that GGUF stores as 1 + w
};

/// A tensor under its Hugging Face name, and its source in the file.
struct HuggingFaceTensor {
  std::size_t source = 0;  ///< index into GgufHeader::tensors
  std::string name;
  GgufTransform transform = GgufTransform::none;
  std::uint64_t heads = 1;  ///< for unpermute: groups of rows
};

/// An architecture that can be expressed as a transformers model.
struct GgufArchitecture {
  std::string_view gguf;         ///< value of general.architecture
  std::string_view model_type;   ///< config.json's `model_type`
  std::string_view model_class;  ///< config.json's `architectures`
  bool permuted = false;         ///< whether the rows of attn_q and attn_k are interleaved
  bool norms_plus_one = false;
  bool head_norms = false;  ///< has attn_q_norm and attn_k_norm
  bool pre_norms = true;    ///< has attn_norm and ffn_norm
  bool post_norms = false;  ///< has post_attention_norm and post_ffw_norm
};

/// The architecture of a GGUF file. Throws Error(input) for an unknown one, with the hint that GGUF
/// output works for any.
const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata);

/// The metadata key for the file's architecture: "llama.block_count" for "block_count".
std::string architecture_key(const GgufArchitecture& architecture, std::string_view suffix);

/// The dimensions of the model according to its metadata, checked against the tensors where
/// possible.
struct GgufDimensions {
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t vocabulary = 0;  ///< rows of the embedding
};

/// Reads the dimensions. Throws Error(input) for a key that is missing or contradicts the tensors.
GgufDimensions gguf_dimensions(const GgufHeader& header, const GgufArchitecture& architecture);

/// Lists every tensor under its Hugging Face name, in the file's order; tensors that transformers
/// derives (rope_freqs.weight) are left out. Throws Error(input) for a tensor that the architecture
/// does not have, and for one that it has but the file lacks.
std::vector<HuggingFaceTensor> hugging_face_tensors(const GgufHeader& header,
                                                    const GgufArchitecture& architecture,
                                                    const GgufDimensions& dimensions);

/// The tensor of that GGUF name, or nullptr.
const GgufTensor* find_tensor(const GgufHeader& header, std::string_view name);

}  // namespace expo
