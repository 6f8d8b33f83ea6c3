#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace expo {

/// Where a tensor stands in a model, told from its name alone. Names of Llama-like models (Mistral,
/// Qwen, Gemma, Phi, Mixtral), GPT-2, GPT-NeoX, Falcon, OPT, BERT-like towers and GGUF are known;
/// for any other name the kind is its last module word ("model.layers.3.mixer.in_proj.weight" is
/// "in_proj").
struct TensorGroup {
  /// "" for the language model; "vision" or "audio" for a tower beside it, whose layers have
  /// numbers of their own.
  std::string part;
  std::optional<unsigned> layer;
  /// "attention.q", "attention.k", "attention.v", "attention.qkv", "attention.o", "mlp.gate",
  /// "mlp.up", "mlp.gate_up", "mlp.down", "router", "norm", "embedding", "head", or a word of the
  /// name.
  std::string kind;
  /// False for norms and biases: vectors, which start near one or zero in every model and so say
  /// little about its origin.
  bool is_matrix = true;
};

TensorGroup group_of(std::string_view tensor);

/// Returns "layer 12", "vision layer 3" or, if there is no layer number, the kind ("embedding").
std::string layer_label(const TensorGroup& group);
/// Returns "attention.q", "vision attention.q" and so on.
std::string kind_label(const TensorGroup& group);

}  // namespace expo
