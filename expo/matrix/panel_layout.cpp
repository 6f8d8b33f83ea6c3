#include "expo/matrix/panel_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "expo/core/error.h"
#include "expo/matrix/kernels.h"

namespace expo {
namespace {

constexpr std::int64_t kTileColumns = 32;

/// The positions of a row's elements: `Unit` is a pair of bfloat16 or one float32, and consecutive
/// units of a row are 16 units apart.
template <typename Unit>
Unit* row_of(std::byte* storage, std::int64_t row, std::int64_t units) {
  return reinterpret_cast<Unit*>(storage) + row / kPanelRows * units * kPanelRows +
         row % kPanelRows;
}

}  // namespace

std::int64_t padded_columns(std::int64_t columns, DType dtype) {
  if (dtype == DType::f32) return columns;
  return (columns + kTileColumns - 1) / kTileColumns * kTileColumns;
}

PanelLayout::PanelLayout(std::int64_t rows, std::int64_t columns, DType dtype)
    : rows_(rows),
      columns_(columns),
      padded_columns_(expo::padded_columns(columns, dtype)),
      dtype_(dtype) {
  if (dtype != DType::f32 && dtype != DType::bf16) {
    throw usage_error(
        fmt::format("a model runs in float32 or bfloat16, not in {}", torch_name(dtype)));
  }
}

std::size_t PanelLayout::panel_bytes() const {
  return static_cast<std::size_t>(kPanelRows * padded_columns_) * byte_width(dtype_);
}

void PanelLayout::pack(std::int64_t first, std::int64_t count, const std::byte* values,
                       std::byte* storage) const {
  const std::size_t width = byte_width(dtype_);
  const std::int64_t units = padded_columns_ * static_cast<std::int64_t>(width) / 4;
  const auto stride = static_cast<std::size_t>(columns_) * width;
  for (std::int64_t row = first; row < first + count;) {
    const std::byte* from = values + static_cast<std::size_t>(row - first) * stride;
    // Sixteen rows are packed at once; an odd column of bfloat16 is no whole unit.
    if (row % kPanelRows == 0 && row + kPanelRows <= first + count && stride % 4 == 0) {
      kernels().interleave(from, stride, static_cast<std::int64_t>(stride / 4),
                           storage + static_cast<std::size_t>(row / kPanelRows) * panel_bytes());
      row += kPanelRows;
      continue;
    }
    auto* out = reinterpret_cast<std::byte*>(row_of<std::uint32_t>(storage, row, units));
    for (std::size_t at = 0; at < stride; at += 4)
      std::memcpy(out + at * kPanelRows, from + at, std::min<std::size_t>(4, stride - at));
    ++row;
  }
}

void PanelLayout::unpack(std::int64_t first, std::int64_t count, const std::byte* storage,
                         std::byte* values) const {
  const std::size_t width = byte_width(dtype_);
  const std::int64_t units = padded_columns_ * static_cast<std::int64_t>(width) / 4;
  const auto stride = static_cast<std::size_t>(columns_) * width;
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto* from = reinterpret_cast<const std::byte*>(
        row_of<std::uint32_t>(const_cast<std::byte*>(storage), row, units));
    std::byte* out = values + static_cast<std::size_t>(row - first) * stride;
    for (std::size_t at = 0; at < stride; at += 4)
      std::memcpy(out + at, from + at * kPanelRows, std::min<std::size_t>(4, stride - at));
  }
}

}  // namespace expo
