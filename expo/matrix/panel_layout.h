#pragma once

#include <cstddef>
#include <cstdint>

#include "expo/core/dtype.h"

namespace expo {

/// The rows of a panel: the float32 lanes of a 512-bit register, and the columns of an AMX tile.
inline constexpr std::int64_t kPanelRows = 16;

/// The layout in memory of a matrix [rows, columns] for products with it: panels of 16 rows, and
/// within a panel column by column, bfloat16 in pairs of columns, as VDPBF16PS and AMX require:
///   element (r, c) is at (((r / 16) · padded_columns/p + c / p) · 16 + r mod 16) · p + c mod p
/// with p = 2 for bfloat16 and 1 for float32. Rows are padded to a multiple of 16, and columns of
/// bfloat16 to a multiple of 32; the padding holds zeros.
class PanelLayout {
 public:
  /// `dtype` is f32 or bf16; throws Error(usage) for any other.
  PanelLayout(std::int64_t rows, std::int64_t columns, DType dtype);

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t padded_columns() const { return padded_columns_; }
  std::int64_t panels() const { return (rows_ + kPanelRows - 1) / kPanelRows; }
  DType dtype() const { return dtype_; }
  std::size_t panel_bytes() const;
  std::size_t bytes() const { return static_cast<std::size_t>(panels()) * panel_bytes(); }

  /// Copies the rows [first, first + count), which are row-major at `values` in this type, into the
  /// panels at `storage`. Several threads may do so at once for different rows.
  void pack(std::int64_t first, std::int64_t count, const std::byte* values,
            std::byte* storage) const;
  /// The inverse of pack.
  void unpack(std::int64_t first, std::int64_t count, const std::byte* storage,
              std::byte* values) const;

 private:
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t padded_columns_;
  DType dtype_;
};

/// `columns` padded as products require: to a multiple of 32 for bfloat16.
std::int64_t padded_columns(std::int64_t columns, DType dtype);

}  // namespace expo
