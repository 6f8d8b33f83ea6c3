#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// What a tensor's values must undergo to be those that transformers holds under the Hugging Face
/// name.
enum class GgufTransform {
  none,
  /// Rows of attn_q and attn_k: GGUF interleaves the two rotary halves of a head. Row (half, i) of
  /// a head of 2n rows is the file's row 2i + half.
  unpermute,
  subtract_one,  ///< norm weights that GGUF keeps as 1 + w: w, subtracted in float32
};

struct HuggingFaceTensor {
  std::size_t source = 0;  ///< index into GgufHeader::tensors
  std::string name;
  GgufTransform transform = GgufTransform::none;
  std::uint64_t heads = 1;  ///< for unpermute: groups of rows
};

/// An architecture that can be expressed as a transformers model.
struct GgufArchitecture {
  std::string_view gguf;         ///< general.architecture
  std::string_view model_type;   ///< config.json
  std::string_view model_class;  ///< config.json's `architectures`
  bool permuted = false;         ///< attn_q and attn_k
  bool norms_plus_one = false;
  bool head_norms = false;  ///< attn_q_norm, attn_k_norm
  bool pre_norms = true;    ///< attn_norm, ffn_norm
  bool post_norms = false;  ///< post_attention_norm, post_ffw_norm
};

/// The architecture of a GGUF file. Throws Error(input) for one that is not known, with the advice
/// that GGUF output works for any.
const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata);

/// The metadata key of the file's architecture: "llama.block_count" for "block_count".
std::string architecture_key(const GgufArchitecture& architecture, std::string_view suffix);

/// The shape of the model as its metadata has it, checked against the tensors where they tell it.
struct GgufDimensions {
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t vocabulary = 0;  ///< rows of the embedding
};

/// Throws Error(input) for a missing key, or one that contradicts the tensors.
GgufDimensions gguf_dimensions(const GgufHeader& header, const GgufArchitecture& architecture);

/// Every tensor under its Hugging Face name, in the file's order; tensors that transformers derives
/// (rope_freqs.weight) are left out. Throws Error(input) for a tensor that the architecture does
/// not have, or lacks.
std::vector<HuggingFaceTensor> hugging_face_tensors(const GgufHeader& header,
                                                    const GgufArchitecture& architecture,
                                                    const GgufDimensions& dimensions);

/// The tensor of that GGUF name, or null.
const GgufTensor* find_tensor(const GgufHeader& header, std::string_view name);

}  // namespace expo
