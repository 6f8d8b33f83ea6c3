#include "expo/extrapolation/plan/work_list.h"

#include <algorithm>

namespace expo {
namespace {

/// The smallest number of elements that fills whole bytes.
struct Unit {
  std::uint64_t elements = 1;
  std::uint64_t bytes = 1;
};

Unit unit_of(const OutputTensor& tensor) {
  if (tensor.encoding == Encoding::q8_0) return {32, 34};
  switch (bit_width(tensor.dtype)) {
    case 4:
      return {2, 1};
    case 6:
      return {4, 3};
    default:
      return {1, bit_width(tensor.dtype) / 8};
  }
}

class Cutter {
 public:
  Cutter(const OutputFile& file, std::size_t number, const std::vector<OutputTensor>& tensors)
      : file_(file), number_(number), tensors_(tensors) {}

  void cut(std::vector<Block>& blocks) {
    std::uint64_t begin = 0;
    while (begin < file_.size) {
      const std::uint64_t end = block_end(begin);
      Block block{number_, begin, end - begin, {}};
      add_segments(block);
      blocks.push_back(std::move(block));
      begin = end;
    }
  }

 private:
  /// The next multiple of the block size, moved up to the end of the unit that it falls into.
  std::uint64_t block_end(std::uint64_t begin) const {
    const std::uint64_t end = std::min(file_.size, (begin / kBlockBytes + 1) * kBlockBytes);
    const auto after = std::ranges::upper_bound(file_.pieces, end, {}, &OutputPiece::offset);
    if (after == file_.pieces.begin()) return end;
    const OutputPiece& piece = *std::prev(after);
    if (end <= piece.offset || end >= piece.offset + piece.bytes) return end;
    const std::uint64_t unit = unit_of(tensors_[piece.tensor]).bytes;
    return piece.offset + (end - piece.offset + unit - 1) / unit * unit;
  }

  void add_segments(Block& block) {
    const std::uint64_t end = block.offset + block.bytes;
    while (piece_ < file_.pieces.size()) {
      const OutputPiece& piece = file_.pieces[piece_];
      const std::uint64_t from = std::max(piece.offset, block.offset);
      const std::uint64_t to = std::min(piece.offset + piece.bytes, end);
      if (from < to) {
        const Unit unit = unit_of(tensors_[piece.tensor]);
        block.segments.push_back({piece.tensor, (from - piece.offset) / unit.bytes * unit.elements,
                                  (to - from) / unit.bytes * unit.elements, from, to - from});
      }
      if (piece.offset + piece.bytes > end) return;
      ++piece_;
    }
  }

  const OutputFile& file_;
  std::size_t number_;
  const std::vector<OutputTensor>& tensors_;
  std::size_t piece_ = 0;
};

}  // namespace

std::vector<Block> cut_into_blocks(const OutputLayout& layout,
                                   const std::vector<OutputTensor>& tensors) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < layout.files.size(); ++i)
    Cutter(layout.files[i], i, tensors).cut(blocks);
  return blocks;
}

}  // namespace expo
