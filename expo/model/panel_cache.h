#pragma once

#include "expo/core/zeroed_memory.h"
#include "expo/matrix/panel_layout.h"
#include "expo/model/decoder.h"

namespace expo {

/// Keys and values as the right sides of attention's two products, in panels: of each slot, layer
/// and head the keys as a matrix [capacity, head_dim], the values as one [head_dim, capacity].
class PanelCache final : public KvCache {
 public:
  /// The keys or the values of one head.
  struct View {
    std::byte* data;
    std::size_t panel_stride;     ///< bytes
    std::int64_t padded_columns;  ///< of the whole
  };

  /// `layers` may be fewer than the architecture's.
  PanelCache(const Architecture& architecture, DType dtype, std::int64_t layers, std::int64_t slots,
             std::int64_t capacity);

  View keys(std::size_t layer, std::int64_t slot, std::int64_t head) const;
  View values(std::size_t layer, std::int64_t slot, std::int64_t head) const;
  /// Sets a position's key and value of one head, head_dim numbers of the type each. Threads may do
  /// so at once for different positions and heads.
  void write(std::size_t layer, std::int64_t slot, std::int64_t head, std::int64_t position,
             const std::byte* key, const std::byte* value) const;
  void copy(std::int64_t from, std::int64_t to, std::int64_t tokens) override;

  static std::uint64_t bytes_of_slot(const Architecture& architecture, DType dtype,
                                     std::int64_t capacity);

 private:
  static std::int64_t rounded(std::int64_t capacity);

  DType dtype_;
  std::int64_t kv_heads_;
  std::int64_t layers_;
  PanelLayout keys_;
  PanelLayout values_;
  ZeroedMemory memory_;
};

}  // namespace expo
