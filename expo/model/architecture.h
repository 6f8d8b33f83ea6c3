#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/core/json.h"

namespace expo {

/// The head that is applied to the final hidden state.
enum class ModelHead {
  language,  ///< logits over the vocabulary (…ForCausalLM)
  score,     ///< raw rewards, one for each label (…ForSequenceClassification)
};

/// The places in a block where norms are applied.
enum class NormPlacement {
  before,    ///< the input of attention and of the MLP (Llama and most)
  after,     ///< their output, before the residual is added (OLMo-2)
  sandwich,  ///< both (Gemma 2)
};

/// The norm of queries and keys before their rotation.
enum class QueryKeyNorm {
  none,
  per_head,    ///< over each head's dimensions (Qwen3)
  projection,  ///< over all of q's or k's dimensions together (OLMo-2)
};

/// The activation of the MLP.
enum class Activation { silu, gelu, gelu_tanh };

/// Rotary position embeddings; they rotate the two halves of a head against each other, as in
/// transformers.
struct RopeSpec {
  /// How the frequencies are scaled for longer contexts.
  enum class Scaling { none, linear, llama3 };
  double theta = 10000;
  Scaling scaling = Scaling::none;
  double factor = 1;
  double low_frequency_factor = 1;    ///< llama3
  double high_frequency_factor = 4;   ///< llama3
  double original_max_positions = 0;  ///< llama3

  bool operator==(const RopeSpec&) const = default;
};

/// What may differ from one layer to the next.
struct LayerSpec {
  bool rope = true;         ///< false: no position embedding (some layers of SmolLM3)
  std::int64_t window = 0;  ///< attends to this many positions, including its own; 0: to all

  bool operator==(const LayerSpec&) const = default;
};

/// A decoder of one of the families Llama 1 to 3, Mistral, Qwen2, Qwen3, Gemma 1 and 2, OLMo-2,
/// SmolLM2 and SmolLM3, described as data.
struct Architecture {
  std::string model_type;  ///< from config.json
  ModelHead head = ModelHead::language;
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;
  std::int64_t labels = 0;  ///< outputs of the score head
  double norm_epsilon = 1e-6;
  bool norm_adds_one = false;      ///< Gemma: the norm multiplies by 1 + weight
  bool scales_embeddings = false;  ///< Gemma: the embedding is multiplied by √hidden
  bool tied_head = false;          ///< the head's weight is the embedding
  bool query_key_value_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  NormPlacement norms = NormPlacement::before;
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;
  Activation activation = Activation::silu;
  double attention_scale = 0;    ///< the factor of q·k
  double attention_softcap = 0;  ///< Gemma 2: c·tanh(x/c) of the scaled products; 0: none
  double logit_softcap = 0;      ///< the same cap for the logits
  RopeSpec rope;
  std::vector<LayerSpec> layers;
  std::vector<std::int64_t> eos_ids;
  std::int64_t pad_id = -1;  ///< −1: none

  bool operator==(const Architecture&) const = default;
};

/// Reads a config.json as transformers understands it, including the defaults of each family.
/// Throws Error(input), naming `where`, for an architecture that is none of these, for a field that
/// is missing or of the wrong type, and for every unknown field, since it could change the result.
Architecture read_architecture(const Json& config, const std::string& where);

}  // namespace expo
