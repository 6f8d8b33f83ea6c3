#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "expo/model/rotary_embedding.h"
#include "expo/training/model/packed_rows.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Forward and backward pass of a model over packed rows, in which each row attends only to itself.
/// The activations are float32; matrix products have the precision of LinearWeight. The backward
/// pass goes through one layer at a time. Not thread-safe; it computes on PyTorch's threads.
class TrainableDecoder {
 public:
  /// `model` must outlive it; its values may change between passes. With `checkpointing` only the
  /// layers' inputs are kept, and each layer is computed again in the backward pass.
  TrainableDecoder(const TrainableModel& model, bool checkpointing);

  /// Returns the final hidden states, normalised: float32 [tokens, hidden].
  at::Tensor hidden_states(const PackedRows& rows);
  /// Returns the same, and keeps what backward() needs. If adapters use dropout, `pass` seeds the
  /// draws; it must be below 2⁴⁸ and different for every pass of a training.
  at::Tensor forward(const PackedRows& rows, std::uint64_t pass = 0);
  /// Adds to the gradients of the model, given the derivatives of the loss with respect to the
  /// results of the last forward(). Call it once for each forward().
  void backward(const at::Tensor& gradient);

 private:
  struct Step {
    at::Tensor input;
    at::Tensor output;  ///< undefined if it is to be computed again
  };

  void take(const PackedRows& rows);
  at::Tensor embed(const at::Tensor& ids) const;
  void embed_backward(const at::Tensor& gradient) const;
  at::Tensor layer(const at::Tensor& x, std::size_t index) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor product(const at::Tensor& x, std::size_t layer, LayerProduct which,
                     const at::Tensor& bias) const;
  at::Tensor adapter_update(const at::Tensor& x, std::size_t layer, LayerProduct which) const;
  at::Tensor dropped(const at::Tensor& x, std::size_t layer, LayerProduct which,
                     std::size_t part) const;
  at::Tensor attention(const at::Tensor& x, std::size_t index) const;
  at::Tensor with_normed_heads(const at::Tensor& qkv, const LayerWeights& weights) const;
  at::Tensor mlp(const at::Tensor& x, std::size_t index) const;

  const TrainableModel& model_;
  bool checkpointing_;
  RotaryEmbedding rotary_;
  PackedRows rows_;                    ///< on the model's device
  std::optional<std::uint64_t> pass_;  ///< std::nullopt: not training, no dropout
  std::vector<Step> steps_;            ///< one per layer, then the final norm
};

}  // namespace expo
