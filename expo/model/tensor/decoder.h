#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <span>

#include "expo/model/decoder.h"
#include "expo/model/rotary_embedding.h"
#include "expo/model/tensor/cache.h"
#include "expo/model/tensor/weights.h"

namespace expo {

/// The forward pass in PyTorch's operators, on any of its devices. A sequence attends only to
/// itself, but the products are not batch-invariant.
class TensorDecoder final : public Decoder {
 public:
  /// How decoding steps (one token of each sequence) attend: each sequence separately to its own
  /// keys, or all at once to the whole cache under a mask, which saves thousands of small kernel
  /// launches on a GPU.
  enum class Steps { one_by_one, together };

  /// `weights` must outlive it.
  TensorDecoder(const Architecture& architecture, const DecoderWeights& weights, Steps steps);

  at::Tensor logits(const at::Tensor& hidden_states) override;
  std::unique_ptr<KvCache> make_cache(std::int64_t slots, std::int64_t capacity) const override;
  std::uint64_t cache_bytes_of_slot(std::int64_t capacity) const override;
  bool is_batch_invariant() const override { return false; }

 protected:
  at::Tensor compute(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                     KvCache* cache) override;

 private:
  /// A batch with one token of each sequence, on the device.
  struct Step {
    at::Tensor slots;      ///< int64 [rows]
    at::Tensor positions;  ///< int64 [rows]
    at::Tensor of_slot;  ///< the position of each slot of the cache, −1 for an idle one: [slots]
  };

  void prepare_positions(std::span<const SequencePart> parts);
  void prepare_step(std::span<const SequencePart> parts, const TensorCache* cache);
  at::Tensor embed(std::span<const std::int64_t> ids) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor attention(const at::Tensor& x, std::size_t layer, std::span<const SequencePart> parts,
                       TensorCache* cache);
  at::Tensor attend_parts(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          std::size_t layer, std::span<const SequencePart> parts,
                          TensorCache* cache) const;
  at::Tensor attend_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         std::size_t layer, const TensorCache& cache) const;
  at::Tensor mlp(const at::Tensor& x, const LayerWeights& weights) const;

  const DecoderWeights& weights_;
  Steps steps_;
  RotaryEmbedding rotary_;
  std::optional<Step> step_;
};

}  // namespace expo
