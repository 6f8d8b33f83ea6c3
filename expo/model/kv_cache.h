#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "expo/model/architecture.h"

namespace expo {

/// Keys and values of the tokens that have been computed, for a fixed number of sequences (slots)
/// of a fixed greatest length. Memory is taken at once: bytes(). Not thread-safe.
class KvCache {
 public:
  KvCache(const Architecture& architecture, std::int64_t slots, std::int64_t capacity,
          const at::TensorOptions& options);

  std::int64_t slots() const { return slots_; }
  std::int64_t capacity() const { return capacity_; }  ///< tokens of a sequence
  std::int64_t bytes() const;
  /// What one slot takes.
  static std::uint64_t bytes_of_slot(const Architecture& architecture, std::int64_t capacity,
                                     const at::TensorOptions& options);
  /// Gives slot `to` the first `tokens` tokens of slot `from`.
  void copy(std::int64_t from, std::int64_t to, std::int64_t tokens);
  /// [slots, kv_heads, capacity, head_dim]
  const at::Tensor& keys(std::size_t layer) const { return keys_[layer]; }
  const at::Tensor& values(std::size_t layer) const { return values_[layer]; }

 private:
  std::int64_t slots_;
  std::int64_t capacity_;
  std::vector<at::Tensor> keys_;
  std::vector<at::Tensor> values_;
};

}  // namespace expo
