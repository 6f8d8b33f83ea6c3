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

/// A and B of one module, which is some rows of a product's matrix.
struct LoraAdapter {
  std::string module;  ///< "model.layers.0.self_attn.q_proj"
  std::int64_t rows = 0;
  std::size_t a = 0;  ///< places in TrainableModel::parameters; of a module without adapter
  std::size_t b = 0;  ///< both are 0
  bool trained = false;
};
/// Of each product the modules in the order of its rows; empty where none of them is adapted.
using LayerAdapters = std::array<std::vector<LoraAdapter>, kLayerProducts>;

/// A model while it is trained: what its forward pass computes with, and what moves. Full training
/// has float32 master values of everything; with LoRA the model is frozen in the type of products.
/// It begins without gradients, which a forward pass does not need.
struct TrainableModel {
  Architecture architecture;
  at::ScalarType compute = at::kFloat;  ///< of the matrix products; float32 or bfloat16
  DecoderWeights weights;               ///< of which `head` stays empty
  std::vector<std::array<LinearWeight, kLayerProducts>> products;  ///< of each layer
  at::Tensor embedding;  ///< what tokens are looked up in: float32 in full training
  /// The values under Hugging Face's names, views: of the float32 masters in full training, of the
  /// frozen weights (and a trained score head) with LoRA.
  std::map<std::string, at::Tensor> named;
  ParameterSet parameters;
  std::vector<LayerAdapters> adapters;  ///< empty without LoRA
  double adapter_scale = 0;
  double adapter_dropout = 0;
  std::uint64_t dropout_seed = 0;
  bool knows_padding = true;      ///< the padding token's embedding is never moved by look-ups
  at::Tensor embedding_gradient;  ///< float32; undefined: frozen, or not allocated
  /// The embedding's value and gradient where it is tied; a reward head has no pair.
  LinearWeight head;

  at::Device device() const { return embedding.device(); }
  bool is_lora() const { return !adapters.empty(); }

  /// Gives a gradient to all that is trained, of zeros; those that are there stay. To be called
  /// before anything that keeps a LinearWeight of this model is made.
  void allocate_gradients();
};

/// Without values; `multiple` and `device` as in ParameterSet.
TrainableModel make_full_model(const Architecture& architecture, at::ScalarType compute,
                               std::int64_t multiple, at::Device device = at::kCPU);

}  // namespace expo
