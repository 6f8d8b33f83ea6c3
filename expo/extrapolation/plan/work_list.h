#pragma once

#include <cstdint>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/extrapolation/plan/plan.h"

namespace expo {

/// The part of one output tensor within a block.
struct Segment {
  std::size_t tensor = 0;    ///< index into Plan::tensors
  std::uint64_t first = 0;   ///< first element
  std::uint64_t count = 0;   ///< number of elements
  std::uint64_t offset = 0;  ///< offset of its first byte in the file
  std::uint64_t bytes = 0;
};

/// A range of an output file that one thread fills and writes at once.
struct Block {
  std::size_t file = 0;  ///< index into OutputLayout::files
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::vector<Segment> segments;
};

/// The bytes of a block: large enough for direct I/O at full speed, small enough that what a thread
/// reads and computes stays in its processor's cache (2 MB measured 10 to 20 % faster than 8). It
/// does not depend on the number of threads, so that sums are folded in the same order for any.
inline constexpr std::uint64_t kBlockBytes = std::uint64_t{2} << 20;

/// Cuts the output into blocks at multiples of kBlockBytes, moving a cut that would split a
/// quantised block.
std::vector<Block> cut_into_blocks(const OutputLayout& layout,
                                   const std::vector<OutputTensor>& tensors);

}  // namespace expo
