#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>

#include "expo/model/architecture.h"

namespace expo {

/// Consecutive tokens of one sequence within a packed batch.
struct SequencePart {
  std::int64_t slot = 0;   ///< of the cache; without a cache it means nothing
  std::int64_t start = 0;  ///< position of the first of them; without a cache 0
  std::int64_t count = 0;  ///< at least 1
};

/// Keys and values of the tokens that a Decoder has computed, for a fixed number of sequences
/// (slots) of a fixed greatest length. Not thread-safe.
class KvCache {
 public:
  virtual ~KvCache() = default;

  std::int64_t slots() const { return slots_; }
  std::int64_t capacity() const { return capacity_; }  ///< tokens of a sequence
  /// Gives slot `to` the first `tokens` tokens of slot `from`.
  virtual void copy(std::int64_t from, std::int64_t to, std::int64_t tokens) = 0;

 protected:
  KvCache(std::int64_t slots, std::int64_t capacity) : slots_(slots), capacity_(capacity) {}

 private:
  std::int64_t slots_;
  std::int64_t capacity_;
};

/// The forward pass. Rows of several sequences lie packed one after the other, without padding;
/// each attends to its own sequence only. It refers to weights that must outlive it and may change
/// between calls. Not thread-safe; it computes on threads of its own or on its device.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// The final hidden states, normalised: [tokens, hidden], on the decoder's device. `parts` say
  /// whose `ids` are, in order. With a cache, which make_cache of this decoder made, keys and
  /// values are added to it and what it holds of a sequence before `start` is attended to. Throws
  /// Error(usage) for parts that do not fit ids or cache, Error(input) for an id beyond the
  /// vocabulary.
  at::Tensor hidden_states(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                           KvCache* cache);

  /// What the head gives for rows of hidden_states, in float32: [rows, vocabulary], or [rows,
  /// labels] for a score head (raw, no activation). Rows are contiguous, but there may be a gap
  /// between them. Valid until the next call of logits.
  virtual at::Tensor logits(const at::Tensor& hidden_states) = 0;

  /// Throws Error(environment) where there is no memory for it.
  virtual std::unique_ptr<KvCache> make_cache(std::int64_t slots, std::int64_t capacity) const = 0;
  /// What one slot of a cache takes.
  virtual std::uint64_t cache_bytes_of_slot(std::int64_t capacity) const = 0;

  /// Whether a sequence's results are the same bits whatever runs beside it, and whether it runs
  /// whole or in pieces.
  virtual bool is_batch_invariant() const = 0;

  const Architecture& architecture() const { return architecture_; }

 protected:
  /// The architecture must outlive it.
  explicit Decoder(const Architecture& architecture) : architecture_(architecture) {}

  /// hidden_states of arguments that were checked.
  virtual at::Tensor compute(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                             KvCache* cache) = 0;

 private:
  const Architecture& architecture_;
};

}  // namespace expo
