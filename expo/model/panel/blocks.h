#pragma once

#include <algorithm>

#include "expo/matrix/typed_kernels.h"
#include "expo/model/panel/weights.h"

namespace expo {

/// Divides the product of some rows with a matrix among threads: blocks of panels, and blocks of
/// rows within them, so that what a thread touches at once stays in its second-level cache.
class PanelBlocks {
 public:
  static constexpr std::int64_t kRows = 128;  ///< maximum rows of a block
  static constexpr std::int64_t kPanels = 4;

  PanelBlocks(const PanelMatrix& matrix, std::int64_t rows, unsigned threads)
      : matrix_(matrix),
        rows_(rows),
        panels_(matrix.layout.panels()),
        row_blocks_((rows + kRows - 1) / kRows),
        panel_block_(panels_at_once(threads)) {}

  std::int64_t count() const { return (panels_ + panel_block_ - 1) / panel_block_ * row_blocks_; }
  std::int64_t first_row(std::int64_t block) const { return block % row_blocks_ * kRows; }
  std::int64_t first_panel(std::int64_t block) const { return block / row_blocks_ * panel_block_; }

  /// The product of a block, without its destination. `left` points to all rows, `stride` elements
  /// of `width` bytes apart.
  Product product(std::int64_t block, const std::byte* left, std::int64_t stride,
                  std::size_t width) const {
    const PanelLayout& layout = matrix_.layout;
    Product result;
    result.a = left + static_cast<std::size_t>(first_row(block) * stride) * width;
    result.a_stride = stride;
    result.rows = std::min(kRows, rows_ - first_row(block));
    result.panels =
        matrix_.storage + static_cast<std::size_t>(first_panel(block)) * layout.panel_bytes();
    result.panel_stride = layout.panel_bytes();
    result.panel_count = std::min(panel_block_, panels_ - first_panel(block));
    result.padded_columns = layout.padded_columns();
    return result;
  }

 private:
  /// Few panels are cut more finely, so that every thread gets some.
  std::int64_t panels_at_once(unsigned threads) const {
    const std::int64_t all = panels_ * row_blocks_;
    return all >= kPanels * 8 * threads ? kPanels : all >= 4 * threads ? 2 : 1;
  }

  const PanelMatrix& matrix_;
  std::int64_t rows_;
  std::int64_t panels_;
  std::int64_t row_blocks_;
  std::int64_t panel_block_;
};

}  // namespace expo
