#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>

#include "expo/model/architecture.h"

namespace expo {

/// Consecutive tokens of one sequence within a packed batch.
struct SequencePart {
  std::int64_t slot = 0;   ///< the sequence's slot of the cache; ignored without a cache
  std::int64_t start = 0;  ///< position of the first token; 0 without a cache
  std::int64_t count = 0;  ///< at least 1
};

/// The keys and values of the tokens that a Decoder has computed, for a fixed number of sequences
/// (slots) of a fixed maximum length. Not thread-safe.
class KvCache {
 public:
  virtual ~KvCache() = default;

  std::int64_t slots() const { return slots_; }
  std::int64_t capacity() const { return capacity_; }  ///< tokens of one sequence
  /// Copies the first `tokens` tokens of slot `from` to slot `to`.
  virtual void copy(std::int64_t from, std::int64_t to, std::int64_t tokens) = 0;

 protected:
  KvCache(std::int64_t slots, std::int64_t capacity) : slots_(slots), capacity_(capacity) {}

 private:
  std::int64_t slots_;
  std::int64_t capacity_;
};

/// The forward pass. Rows of several sequences are packed one after the other, without padding;
/// each attends only to its own sequence. It refers to weights that must outlive it and may change
/// between calls. Not thread-safe; it computes on threads of its own or on its device.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// The final hidden states, normalised: [tokens, hidden], on the decoder's device. `parts` assign
  /// the `ids`, in order, to sequences. A cache must come from make_cache of this decoder; the keys
  /// and values are added to it, and what it holds of a sequence before `start` is attended to.
  /// Throws Error(usage) for parts that do not fit the ids or the cache, Error(input) for an id
  /// beyond the vocabulary.
  at::Tensor hidden_states(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                           KvCache* cache);

  /// Applies the head to rows of hidden_states. Returns float32 [rows, vocabulary], or [rows,
  /// labels] for a score head (raw, no activation). Each row is contiguous, but there may be gaps
  /// between rows. Valid until the next call of logits.
  virtual at::Tensor logits(const at::Tensor& hidden_states) = 0;

  /// Throws Error(environment) if there is not enough memory for the cache.
  virtual std::unique_ptr<KvCache> make_cache(std::int64_t slots, std::int64_t capacity) const = 0;
  /// The bytes that one slot of a cache occupies.
  virtual std::uint64_t cache_bytes_of_slot(std::int64_t capacity) const = 0;

  /// Whether the results of a sequence are the same bits whatever runs beside it, and whether it
  /// runs whole or in pieces.
  virtual bool is_batch_invariant() const = 0;

  const Architecture& architecture() const { return architecture_; }

 protected:
  /// The architecture must outlive it.
  explicit Decoder(const Architecture& architecture) : architecture_(architecture) {}

  /// Computes hidden_states for arguments that have been checked.
  virtual at::Tensor compute(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                             KvCache* cache) = 0;

 private:
  const Architecture& architecture_;
};

}  // namespace expo
