#pragma once

#include <ATen/ATen.h>

#include <span>

#include "expo/model/decoder.h"
#include "expo/model/rotary_embedding.h"
#include "expo/model/tensor_cache.h"
#include "expo/model/tensor_weights.h"

namespace expo {

/// The forward pass in PyTorch's operators, on any of its devices. What it attends to is its
/// sequence's, but its products are not batch-invariant.
class TensorDecoder final : public Decoder {
 public:
  /// `weights` must outlive it.
  TensorDecoder(const Architecture& architecture, const DecoderWeights& weights);

  at::Tensor logits(const at::Tensor& hidden_states) override;
  std::unique_ptr<KvCache> make_cache(std::int64_t slots, std::int64_t capacity) const override;
  std::uint64_t cache_bytes_of_slot(std::int64_t capacity) const override;
  bool is_batch_invariant() const override { return false; }

 protected:
  at::Tensor compute(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                     KvCache* cache) override;

 private:
  void prepare_positions(std::span<const SequencePart> parts);
  at::Tensor embed(std::span<const std::int64_t> ids) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor attention(const at::Tensor& x, std::size_t layer, std::span<const SequencePart> parts,
                       TensorCache* cache);
  at::Tensor mlp(const at::Tensor& x, const LayerWeights& weights) const;
  at::Tensor activate(const at::Tensor& x) const;

  const DecoderWeights& weights_;
  RotaryEmbedding rotary_;
};

}  // namespace expo
