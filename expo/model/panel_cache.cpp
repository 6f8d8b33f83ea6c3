#include "expo/model/panel_cache.h"

#include <bit>
#include <cstring>

namespace expo {
namespace {

/// To nearest, ties to even, as all rows are rounded (kernels.h).
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>((bits | 0x400000U) >> 16);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// Sets the element that is `at` units and `half` of one in.
void set(std::byte* storage, std::int64_t unit, std::int64_t half, float value, DType dtype) {
  std::byte* out = storage + unit * 4;
  if (dtype == DType::f32) {
    std::memcpy(out, &value, sizeof value);
  } else {
    const std::uint16_t bits = to_bf16(value);
    std::memcpy(out + 2 * half, &bits, sizeof bits);
  }
}

}  // namespace

/// Products take 32 columns at once, and the values' columns are positions.
std::int64_t PanelCache::rounded(std::int64_t capacity) {
  return (capacity + 31) / 32 * 32;
}

PanelCache::PanelCache(const Architecture& architecture, DType dtype, std::int64_t layers,
                       std::int64_t slots, std::int64_t capacity)
    : KvCache(slots, capacity),
      dtype_(dtype),
      kv_heads_(architecture.kv_heads),
      layers_(layers),
      keys_(rounded(capacity), architecture.head_dim, dtype),
      values_(architecture.head_dim, rounded(capacity), dtype),
      memory_(static_cast<std::size_t>(layers * slots * kv_heads_) *
              (keys_.bytes() + values_.bytes())) {}

PanelCache::View PanelCache::keys(std::size_t layer, std::int64_t slot, std::int64_t head) const {
  const std::int64_t index = (slot * layers_ + static_cast<std::int64_t>(layer)) * kv_heads_ + head;
  return {memory_.data() + static_cast<std::size_t>(index) * (keys_.bytes() + values_.bytes()),
          keys_.panel_bytes(), keys_.padded_columns()};
}

PanelCache::View PanelCache::values(std::size_t layer, std::int64_t slot, std::int64_t head) const {
  return {keys(layer, slot, head).data + keys_.bytes(), values_.panel_bytes(),
          values_.padded_columns()};
}

void PanelCache::write(std::size_t layer, std::int64_t slot, std::int64_t head,
                       std::int64_t position, const float* key, const float* value) const {
  const std::int64_t pair = dtype_ == DType::bf16 ? 2 : 1;
  const View to_keys = keys(layer, slot, head);
  std::byte* panel =
      to_keys.data + static_cast<std::size_t>(position / kPanelRows) * to_keys.panel_stride;
  const std::int64_t dim = keys_.columns();
  for (std::int64_t i = 0; i < dim; ++i)
    set(panel, i / pair * kPanelRows + position % kPanelRows, i % pair, key[i], dtype_);
  const View to_values = values(layer, slot, head);
  for (std::int64_t i = 0; i < dim; ++i) {
    set(to_values.data + static_cast<std::size_t>(i / kPanelRows) * to_values.panel_stride,
        position / pair * kPanelRows + i % kPanelRows, position % pair, value[i], dtype_);
  }
}

void PanelCache::copy(std::int64_t from, std::int64_t to, std::int64_t tokens) {
  const std::size_t key_bytes =
      static_cast<std::size_t>((tokens + kPanelRows - 1) / kPanelRows) * keys_.panel_bytes();
  const std::size_t value_bytes =
      static_cast<std::size_t>(rounded(tokens) * kPanelRows) * byte_width(dtype_);
  for (std::int64_t layer = 0; layer < layers_; ++layer) {
    for (std::int64_t head = 0; head < kv_heads_; ++head) {
      const auto index = static_cast<std::size_t>(layer);
      std::memcpy(keys(index, to, head).data, keys(index, from, head).data, key_bytes);
      const View source = values(index, from, head), target = values(index, to, head);
      for (std::int64_t panel = 0; panel < values_.panels(); ++panel) {
        const std::size_t at = static_cast<std::size_t>(panel) * source.panel_stride;
        std::memcpy(target.data + at, source.data + at, value_bytes);
      }
    }
  }
}

std::uint64_t PanelCache::bytes_of_slot(const Architecture& architecture, DType dtype,
                                        std::int64_t capacity) {
  const PanelLayout keys(rounded(capacity), architecture.head_dim, dtype);
  const PanelLayout values(architecture.head_dim, rounded(capacity), dtype);
  return architecture.layers.size() * static_cast<std::uint64_t>(architecture.kv_heads) *
         (keys.bytes() + values.bytes());
}

}  // namespace expo
