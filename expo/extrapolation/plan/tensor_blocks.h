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

/// Cuts `elements` elements, in rows of `row` (1 where there are none), into blocks of about one
/// million, of whole rows where a row is not longer than that, and appends them in order. With
/// `sample`, blocks of about 65,536 elements instead, of which every 16th is kept (all of them for
/// a tensor of at most four). The cutting hangs on these numbers alone, never on threads.
void append_blocks(std::size_t tensor, std::uint64_t elements, std::uint64_t row, bool sample,
                   std::vector<TensorBlock>& blocks);

}  // namespace expo
