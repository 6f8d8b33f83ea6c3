#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "expo/core/zeroed_memory.h"
#include "expo/matrix/panel_layout.h"
#include "expo/model/architecture.h"

namespace expo {

/// A matrix [out, in] in panels, stored in the memory of its PanelWeights.
struct PanelMatrix {
  PanelLayout layout{0, 0, DType::f32};
  std::byte* storage = nullptr;
};

/// A norm's weight or a bias, in float32 whatever the weights' type. Empty if the architecture has
/// none.
using PanelVector = std::vector<float>;

/// The weights of one layer.
struct PanelLayer {
  PanelVector attention_norm, attention_post_norm, mlp_norm, mlp_post_norm;
  PanelMatrix q, k, v, output, gate, up, down;
  PanelVector q_bias, k_bias, v_bias, output_bias, gate_bias, up_bias, down_bias;
  PanelVector q_norm, k_norm;  ///< [head_dim], or q's (k's) rows for QueryKeyNorm::projection
};

/// The weights of a decoder in panels. It can be neither copied nor moved, since it refers to
/// itself.
class PanelWeights {
 public:
  PanelWeights(const Architecture& architecture, DType dtype);
  PanelWeights(const PanelWeights&) = delete;
  PanelWeights& operator=(const PanelWeights&) = delete;

  using Place = std::variant<PanelMatrix*, PanelVector*>;

  PanelMatrix embedding;  ///< [vocabulary, hidden]
  PanelVector final_norm;
  PanelMatrix head;  ///< the embedding if the head is tied
  std::vector<PanelLayer> layers;
  std::map<std::string, Place> named;  ///< by the names of a Hugging Face checkpoint

  DType dtype() const { return dtype_; }
  std::size_t bytes() const { return memory_.size(); }

 private:
  void name_layer(const Architecture& model, std::size_t index);
  void name_attention(const Architecture& model, const std::string& prefix, PanelLayer& layer);
  void name_mlp(const Architecture& model, const std::string& prefix, PanelLayer& layer);
  void add(const std::string& name, PanelMatrix& matrix, std::int64_t rows, std::int64_t columns);
  void add(const std::string& name, PanelVector& vector, std::int64_t size);
  void place();

  DType dtype_;
  ZeroedMemory memory_;
};

}  // namespace expo
