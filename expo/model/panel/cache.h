#pragma once

#include <span>
#include <vector>

#include "expo/core/zeroed_memory.h"
#include "expo/matrix/panel_layout.h"
#include "expo/model/decoder.h"

namespace expo {

/// Keys and values as the right sides of attention's two products, in panels: for each slot, layer
/// and head, the keys are a matrix [capacity, head_dim] and the values a matrix [head_dim,
/// capacity].
class PanelCache final : public KvCache {
 public:
  /// The keys or the values of one head.
  struct View {
    std::byte* data;
    std::size_t panel_stride;  ///< bytes
  };

  /// `layers` may be fewer than the architecture has; `capacities` holds one capacity for each
  /// slot.
  PanelCache(const Architecture& architecture, DType dtype, std::int64_t layers,
             std::span<const std::int64_t> capacities);

  View keys(std::size_t layer, std::int64_t slot, std::int64_t head) const;
  View values(std::size_t layer, std::int64_t slot, std::int64_t head) const;
  /// Sets the key and the value of one head at one position, head_dim numbers of the type each.
  /// Several threads may do so at once for different positions and heads.
  void write(std::size_t layer, std::int64_t slot, std::int64_t head, std::int64_t position,
             const std::byte* key, const std::byte* value) const;
  void copy(std::int64_t from, std::int64_t to, std::int64_t tokens) override;

  static std::uint64_t bytes_of_slot(const Architecture& architecture, DType dtype,
                                     std::int64_t capacity);

 private:
  static std::int64_t rounded(std::int64_t capacity);
  std::size_t key_bytes(std::int64_t slot) const;
  std::size_t value_stride(std::int64_t slot) const;

  DType dtype_;
  std::int64_t head_dim_;
  std::int64_t kv_heads_;
  std::int64_t layers_;
  PanelLayout key_panel_;  ///< one panel of keys
  std::int64_t value_panels_;
  std::vector<std::int64_t> capacities_;  ///< rounded
  std::vector<std::size_t> begins_;       ///< offsets of the slots in memory
  ZeroedMemory memory_;
};

}  // namespace expo
