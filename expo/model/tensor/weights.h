#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "expo/model/architecture.h"

namespace expo {

/// The tensors of one block; undefined if the architecture has none. Matrices are [out, in].
struct LayerWeights {
  at::Tensor attention_norm;       ///< before attention: [hidden]
  at::Tensor attention_post_norm;  ///< after it: [hidden]
  at::Tensor mlp_norm;             ///< before the MLP: [hidden]
  at::Tensor mlp_post_norm;        ///< after it: [hidden]
  at::Tensor qkv;                  ///< rows of q, then k, then v: one product instead of three
  at::Tensor qkv_bias;
  at::Tensor q_norm;  ///< [head_dim], or q's rows for QueryKeyNorm::projection
  at::Tensor k_norm;
  at::Tensor output;  ///< [hidden, heads · head_dim]
  at::Tensor output_bias;
  at::Tensor gate_up;  ///< rows of gate, then up
  at::Tensor gate_up_bias;
  at::Tensor down;
  at::Tensor down_bias;
};

/// The tensors of a decoder. `named` maps the names of a Hugging Face checkpoint to views into
/// them, so that writing to a named tensor changes the model. All are contiguous and row-major.
struct DecoderWeights {
  at::Tensor embedding;   ///< [vocabulary, hidden]
  at::Tensor final_norm;  ///< [hidden]
  at::Tensor head;        ///< [vocabulary or labels, hidden]; the embedding if it is tied
  std::vector<LayerWeights> layers;
  std::map<std::string, at::Tensor> named;
};

/// Allocates the tensors of an architecture without setting their values.
DecoderWeights allocate_weights(const Architecture& architecture, const at::TensorOptions& options);

}  // namespace expo
