#pragma once

// Included by files that are compiled for wider instruction sets. Its function has internal
// linkage, so that the linker cannot keep one set's copy for another.

#include <cstdint>

namespace expo {
namespace {

/// Calls block.operator()<ROWS>(first row) for blocks of six rows, and of what they leave.
template <typename Block>
inline void in_row_blocks(std::int64_t rows, const Block& block) {
  std::int64_t row = 0;
  for (; row + 6 <= rows; row += 6) block.template operator()<6>(row);
  switch (rows - row) {
    case 5:
      return block.template operator()<5>(row);
    case 4:
      return block.template operator()<4>(row);
    case 3:
      return block.template operator()<3>(row);
    case 2:
      return block.template operator()<2>(row);
    case 1:
      return block.template operator()<1>(row);
    default:
      return;
  }
}

}  // namespace
}  // namespace expo
