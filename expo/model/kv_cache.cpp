#include "expo/model/kv_cache.h"

namespace expo {

KvCache::KvCache(const Architecture& architecture, std::int64_t slots, std::int64_t capacity,
                 const at::TensorOptions& options)
    : slots_(slots), capacity_(capacity) {
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const std::vector<std::int64_t> shape = {slots, architecture.kv_heads, capacity,
                                             architecture.head_dim};
    keys_.push_back(at::empty(shape, options));
    values_.push_back(at::empty(shape, options));
  }
}

std::int64_t KvCache::bytes() const {
  std::int64_t total = 0;
  for (const auto* tensors : {&keys_, &values_}) {
    for (const at::Tensor& tensor : *tensors) total += static_cast<std::int64_t>(tensor.nbytes());
  }
  return total;
}

std::uint64_t KvCache::bytes_of_slot(const Architecture& architecture, std::int64_t capacity,
                                     const at::TensorOptions& options) {
  const auto elements = architecture.kv_heads * architecture.head_dim * capacity;
  return 2 * architecture.layers.size() * static_cast<std::uint64_t>(elements) *
         options.dtype().itemsize();
}

void KvCache::copy(std::int64_t from, std::int64_t to, std::int64_t tokens) {
  for (const auto* tensors : {&keys_, &values_}) {
    for (const at::Tensor& tensor : *tensors)
      tensor[to].narrow(1, 0, tokens).copy_(tensor[from].narrow(1, 0, tokens));
  }
}

}  // namespace expo
