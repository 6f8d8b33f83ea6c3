#pragma once

#include <ATen/ATen.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "expo/model/architecture.h"
#include "expo/model/tensor/weights.h"
#include "expo/training/model/parameter_set.h"
#include "expo/training/ops/linear_weight.h"

namespace expo {

/// The products of a layer, each with one (possibly fused) matrix.
enum class LayerProduct { qkv, output, gate_up, down };
inline constexpr std::size_t kLayerProducts = 4;

/// The matrices A and B of one module; a module is a range of rows of a product's matrix.
struct LoraAdapter {
  std::string module;  ///< "model.layers.0.self_attn.q_proj"
  std::int64_t rows = 0;
  std::size_t a = 0;  ///< places in TrainableModel::parameters; without an adapter
  std::size_t b = 0;  ///< both are 0
  bool trained = false;
};
/// For each product its modules in the order of its rows; empty if none of them is adapted.
using LayerAdapters = std::array<std::vector<LoraAdapter>, kLayerProducts>;

/// A model in training: what its forward pass computes with, and what is updated. Full training has
/// float32 master values of everything; with LoRA, the model is frozen in the type of the products.
/// It begins without gradients, which a forward pass does not need.
struct TrainableModel {
  Architecture architecture;
  at::ScalarType compute = at::kFloat;  ///< type of the matrix products; float32 or bfloat16
  DecoderWeights weights;               ///< `head` stays empty
  std::vector<std::array<LinearWeight, kLayerProducts>> products;  ///< one entry per layer
  at::Tensor embedding;  ///< the table for token look-ups; float32 in full training
  /// The values under Hugging Face's names, as views: of the float32 masters in full training, and
  /// of the frozen weights (and a trained score head) with LoRA.
  std::map<std::string, at::Tensor> named;
  ParameterSet parameters;
  std::vector<LayerAdapters> adapters;  ///< empty without LoRA
  double adapter_scale = 0;
  double adapter_dropout = 0;
  std::uint64_t dropout_seed = 0;
  bool knows_padding = true;      ///< look-ups give the padding token's embedding no gradient
  at::Tensor embedding_gradient;  ///< float32; undefined: frozen, or not allocated
  /// The output head: the embedding's value and gradient if it is tied; a reward head has no pair.
  LinearWeight head;

  at::Device device() const { return embedding.device(); }
  bool is_lora() const { return !adapters.empty(); }

  /// Gives every trained tensor a zero gradient; existing gradients stay. Must be called before
  /// constructing anything that keeps a LinearWeight of this model.
  void allocate_gradients();
};

/// Makes a model without values; `multiple` and `device` are those of ParameterSet.
TrainableModel make_full_model(const Architecture& architecture, at::ScalarType compute,
                               std::int64_t multiple, at::Device device = at::kCPU);

}  // namespace expo
