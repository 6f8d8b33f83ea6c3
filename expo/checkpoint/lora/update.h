#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// Converts values of f16, bf16, f32 or f64 to float64, exactly (a NaN becomes quiet).
void widen_values(std::span<const std::byte> bytes, DType dtype, double* out);

/// One factor of a low-rank product, as stored: the value at (line, k), where k counts ranks, is
/// element line·line_stride + k·rank_stride.
struct LoraFactor {
  std::vector<std::byte> values;  ///< little-endian
  DType dtype = DType::f32;
  std::uint64_t line_stride = 1;
  std::uint64_t rank_stride = 1;
};

/// The update scale·(L·R) of a tensor that is treated as a matrix of `rows` × `columns`. Immutable
/// and thread-safe.
class LoraUpdate {
 public:
  /// The lines of `left` are the rows and those of `right` the columns; the caller has checked
  /// their sizes.
  LoraUpdate(LoraFactor left, LoraFactor right, std::uint64_t rows, std::uint64_t columns,
             std::uint64_t rank, double scale);

  /// Computes values[i] += scale · Σₖ L(row, k)·R(k, column) for the row-major elements [first,
  /// first + count), in float64. Each sum begins at 0 and runs in the order of k; products and sums
  /// are rounded separately, so that the value of an element depends on nothing but its factors.
  void add(std::uint64_t first, std::uint64_t count, double* values) const;

  /// Whether another update adds the same values: equal sizes, scale and factors.
  bool equals(const LoraUpdate& other) const;

  std::uint64_t rows() const { return rows_; }
  std::uint64_t columns() const { return columns_; }

 private:
  struct Range;
  void add_columns(const Range& range, std::uint64_t column, std::uint64_t width,
                   std::vector<double>& panel, std::vector<double>& lines) const;

  LoraFactor left_;
  LoraFactor right_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  std::uint64_t rank_;
  double scale_;
};

}  // namespace expo
