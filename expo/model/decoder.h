#pragma once

#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "expo/model/architecture.h"
#include "expo/model/decoder_weights.h"
#include "expo/model/kv_cache.h"
#include "expo/model/rotary_embedding.h"

namespace expo {

/// Consecutive tokens of one sequence within a packed batch.
struct SequencePart {
  std::int64_t slot = 0;   ///< of the cache; without a cache it means nothing
  std::int64_t start = 0;  ///< position of the first of them; without a cache 0
  std::int64_t count = 0;  ///< at least 1
};

/// The forward pass. Rows of several sequences lie packed one after the other, without padding;
/// each attends to its own sequence only. Not thread-safe; it computes on PyTorch's threads.
class Decoder {
 public:
  /// `weights` must outlive it, and may change between calls.
  Decoder(const Architecture& architecture, const DecoderWeights& weights);

  /// The final hidden states, normalised: [tokens, hidden] in the weights' type. `ids` is int64
  /// [tokens] on any device; `parts` say whose they are, in order. With a cache, keys and values
  /// are added to it and what it holds of a sequence before `start` is attended to. Throws
  /// Error(usage) for parts that do not fit ids or cache, Error(input) for an id beyond the
  /// vocabulary.
  at::Tensor hidden_states(const at::Tensor& ids, std::span<const SequencePart> parts,
                           KvCache* cache);

  /// What the head gives, in float32: [rows, vocabulary], or [rows, labels] for a score head (raw,
  /// no activation).
  at::Tensor logits(const at::Tensor& hidden_states) const;

  const Architecture& architecture() const { return architecture_; }

 private:
  void check(const at::Tensor& ids, std::span<const SequencePart> parts,
             const KvCache* cache) const;
  void prepare_positions(std::span<const SequencePart> parts);
  at::Tensor embed(const at::Tensor& ids) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor attention(const at::Tensor& x, std::size_t layer,
                       std::span<const SequencePart> parts, KvCache* cache);
  at::Tensor mlp(const at::Tensor& x, const LayerWeights& weights) const;
  at::Tensor activate(const at::Tensor& x) const;

  const Architecture& architecture_;
  const DecoderWeights& weights_;
  RotaryEmbedding rotary_;
};

}  // namespace expo
