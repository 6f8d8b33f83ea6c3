#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "expo/model/decoder.h"

namespace expo {

/// A KvCache of tensors on any device. All of its memory is allocated at once.
class TensorCache final : public KvCache {
 public:
  TensorCache(const Architecture& architecture, std::int64_t slots, std::int64_t capacity,
              const at::TensorOptions& options);

  void copy(std::int64_t from, std::int64_t to, std::int64_t tokens) override;
  static std::uint64_t bytes_of_slot(const Architecture& architecture, std::int64_t capacity,
                                     const at::TensorOptions& options);
  /// [slots, kv_heads, capacity, head_dim]
  const at::Tensor& keys(std::size_t layer) const { return keys_[layer]; }
  const at::Tensor& values(std::size_t layer) const { return values_[layer]; }

 private:
  std::vector<at::Tensor> keys_;
  std::vector<at::Tensor> values_;
};

}  // namespace expo
