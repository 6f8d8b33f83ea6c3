#include "expo/model/tensor/cache.h"

namespace expo {

TensorCache::TensorCache(const Architecture& architecture, std::int64_t slots,
                         std::int64_t capacity, const at::TensorOptions& options)
    : KvCache(slots, capacity) {
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const std::vector<std::int64_t> shape = {slots, architecture.kv_heads, capacity,
                                             architecture.head_dim};
    // Masked values are multiplied by zero, which would not remove a NaN.
    keys_.push_back(at::zeros(shape, options));
    values_.push_back(at::zeros(shape, options));
  }
}

std::uint64_t TensorCache::bytes_of_slot(const Architecture& architecture, std::int64_t capacity,
                                         const at::TensorOptions& options) {
  const auto elements = architecture.kv_heads * architecture.head_dim * capacity;
  return 2 * architecture.layers.size() * static_cast<std::uint64_t>(elements) *
         options.dtype().itemsize();
}

void TensorCache::copy(std::int64_t from, std::int64_t to, std::int64_t tokens) {
  const c10::InferenceMode no_gradients;
  for (const auto* tensors : {&keys_, &values_}) {
    for (const at::Tensor& tensor : *tensors)
      tensor[to].narrow(1, 0, tokens).copy_(tensor[from].narrow(1, 0, tokens));
  }
}

}  // namespace expo
