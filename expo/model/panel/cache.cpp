#include "expo/model/panel/cache.h"

#include <algorithm>
#include <cstring>

namespace expo {
namespace {

/// The bytes of one layer of a slot of `capacity` tokens, which is rounded up.
std::size_t bytes_of_layer(const Architecture& architecture, DType dtype, std::int64_t capacity) {
  const PanelLayout keys(capacity, architecture.head_dim, dtype);
  const PanelLayout values(architecture.head_dim, capacity, dtype);
  return static_cast<std::size_t>(architecture.kv_heads) * (keys.bytes() + values.bytes());
}

/// Writes values as one column of panels, which begins at `column` in the first of them.
template <typename Value>
void spread(const std::byte* values, std::int64_t count, std::byte* column,
            std::size_t panel_stride) {
  constexpr std::int64_t kUnit = 4;
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(
        column + static_cast<std::size_t>(i / kPanelRows) * panel_stride + i % kPanelRows * kUnit,
        values + i * static_cast<std::int64_t>(sizeof(Value)), sizeof(Value));
  }
}

}  // namespace

/// A product reads 32 columns at once, and the columns of the values are positions.
std::int64_t PanelCache::rounded(std::int64_t capacity) {
  return (capacity + 31) / 32 * 32;
}

PanelCache::PanelCache(const Architecture& architecture, DType dtype, std::int64_t layers,
                       std::span<const std::int64_t> capacities)
    : KvCache(static_cast<std::int64_t>(capacities.size()), std::ranges::max(capacities)),
      dtype_(dtype),
      head_dim_(architecture.head_dim),
      kv_heads_(architecture.kv_heads),
      layers_(layers),
      key_panel_(kPanelRows, architecture.head_dim, dtype),
      value_panels_((architecture.head_dim + kPanelRows - 1) / kPanelRows) {
  std::size_t total = 0;
  for (const std::int64_t capacity : capacities) {
    begins_.push_back(total);
    capacities_.push_back(rounded(capacity));
    total +=
        static_cast<std::size_t>(layers) * bytes_of_layer(architecture, dtype, capacities_.back());
  }
  memory_ = ZeroedMemory(total);
}

std::size_t PanelCache::key_bytes(std::int64_t slot) const {
  return static_cast<std::size_t>(capacities_[static_cast<std::size_t>(slot)] / kPanelRows) *
         key_panel_.panel_bytes();
}

std::size_t PanelCache::value_stride(std::int64_t slot) const {
  return static_cast<std::size_t>(capacities_[static_cast<std::size_t>(slot)] * kPanelRows) *
         byte_width(dtype_);
}

PanelCache::View PanelCache::keys(std::size_t layer, std::int64_t slot, std::int64_t head) const {
  const std::size_t of_head =
      key_bytes(slot) + static_cast<std::size_t>(value_panels_) * value_stride(slot);
  const std::size_t index =
      layer * static_cast<std::size_t>(kv_heads_) + static_cast<std::size_t>(head);
  return {memory_.data() + begins_[static_cast<std::size_t>(slot)] + index * of_head,
          key_panel_.panel_bytes()};
}

PanelCache::View PanelCache::values(std::size_t layer, std::int64_t slot, std::int64_t head) const {
  return {keys(layer, slot, head).data + key_bytes(slot), value_stride(slot)};
}

void PanelCache::write(std::size_t layer, std::int64_t slot, std::int64_t head,
                       std::int64_t position, const std::byte* key, const std::byte* value) const {
  const auto width = static_cast<std::int64_t>(byte_width(dtype_));
  constexpr std::int64_t kUnit = 4;  // bytes: a pair of bfloat16, or a float32
  const View to_keys = keys(layer, slot, head);
  std::byte* lane = to_keys.data +
                    static_cast<std::size_t>(position / kPanelRows) * to_keys.panel_stride +
                    position % kPanelRows * kUnit;
  for (std::int64_t at = 0; at < head_dim_ * width; at += kUnit)
    std::memcpy(lane + at * kPanelRows, key + at, kUnit);
  const View to_values = values(layer, slot, head);
  std::byte* column =
      to_values.data + position * width / kUnit * kUnit * kPanelRows + position * width % kUnit;
  if (dtype_ == DType::bf16) {
    spread<std::uint16_t>(value, head_dim_, column, to_values.panel_stride);
  } else {
    spread<float>(value, head_dim_, column, to_values.panel_stride);
  }
}

void PanelCache::copy(std::int64_t from, std::int64_t to, std::int64_t tokens) {
  const std::size_t key_bytes =
      static_cast<std::size_t>((tokens + kPanelRows - 1) / kPanelRows) * key_panel_.panel_bytes();
  const std::size_t value_bytes =
      static_cast<std::size_t>(rounded(tokens) * kPanelRows) * byte_width(dtype_);
  for (std::int64_t layer = 0; layer < layers_; ++layer) {
    for (std::int64_t head = 0; head < kv_heads_; ++head) {
      const auto index = static_cast<std::size_t>(layer);
      std::memcpy(keys(index, to, head).data, keys(index, from, head).data, key_bytes);
      const View source = values(index, from, head), target = values(index, to, head);
      for (std::int64_t panel = 0; panel < value_panels_; ++panel) {
        const auto at = static_cast<std::size_t>(panel);
        std::memcpy(target.data + at * target.panel_stride, source.data + at * source.panel_stride,
                    value_bytes);
      }
    }
  }
}

std::uint64_t PanelCache::bytes_of_slot(const Architecture& architecture, DType dtype,
                                        std::int64_t capacity) {
  return architecture.layers.size() * bytes_of_layer(architecture, dtype, rounded(capacity));
}

}  // namespace expo
