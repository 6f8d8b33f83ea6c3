#include "expo/model/panel_cache.h"

#include <cstring>

namespace expo {

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
                       std::int64_t position, const std::byte* key, const std::byte* value) const {
  const auto width = static_cast<std::int64_t>(byte_width(dtype_));
  constexpr std::int64_t kUnit = 4;  // bytes: a pair of bfloat16, or a float32
  const View to_keys = keys(layer, slot, head);
  std::byte* lane = to_keys.data +
                    static_cast<std::size_t>(position / kPanelRows) * to_keys.panel_stride +
                    position % kPanelRows * kUnit;
  const std::int64_t dim = keys_.columns();
  for (std::int64_t at = 0; at < dim * width; at += kUnit)
    std::memcpy(lane + at * kPanelRows, key + at, kUnit);
  const View to_values = values(layer, slot, head);
  std::byte* column =
      to_values.data + position * width / kUnit * kUnit * kPanelRows + position * width % kUnit;
  for (std::int64_t i = 0; i < dim; ++i) {
    std::memcpy(column + static_cast<std::size_t>(i / kPanelRows) * to_values.panel_stride +
                    i % kPanelRows * kUnit,
                value + i * width, static_cast<std::size_t>(width));
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
