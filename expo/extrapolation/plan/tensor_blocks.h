#pragma once

#include <cstdint>
#include <vector>

namespace expo {

/// A run of consecutive elements of one tensor.
struct TensorBlock {
  std::size_t tensor = 0;  ///< the caller's number
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// Cuts `elements` elements, in rows of `row` elements (1 if there are no rows), into blocks of
/// about one million elements, and appends them in order. Blocks consist of whole rows unless a row
/// is longer than a block. With `sample`, blocks of about 65,536 elements instead, of which every
/// 16th is kept (all of them for a tensor of at most four). The result depends on these numbers
/// alone, never on the number of threads.
void append_blocks(std::size_t tensor, std::uint64_t elements, std::uint64_t row, bool sample,
                   std::vector<TensorBlock>& blocks);

}  // namespace expo
