#pragma once

#include <cstdint>
#include <vector>

#include "expo/checkpoint/torch/pickle.h"
#include "expo/checkpoint/torch/pickle_cursor.h"

namespace expo {

/// The stack, its marks and the memo of the machine that reads a pickle. Every failure throws
/// Error(input) at the position of `cursor`.
class PickleStack {
 public:
  explicit PickleStack(const PickleCursor& cursor) : cursor_(cursor) {}

  void push(const PickleValue& value) { values_.push_back(value); }
  /// The topmost value, above the last mark.
  PickleValue top() const;
  PickleValue pop();
  std::vector<PickleValue> pop_many(std::size_t count);

  /// Pushes a mark; at most kMaxPickleDepth marks may exist at once.
  void push_mark();
  std::vector<PickleValue> pop_to_mark();

  /// Sets a slot of the memo to the topmost value. Picklers number the slots in order, so a gap is
  /// refused: the file is damaged, or forged to exhaust memory.
  void memoise(std::uint32_t slot);
  void recall(std::uint32_t slot);

  bool empty() const { return values_.empty() && marks_.empty(); }

 private:
  void require(std::size_t count) const;

  const PickleCursor& cursor_;
  std::vector<PickleValue> values_;
  std::vector<std::size_t> marks_;
  std::vector<PickleValue> memo_;
};

}  // namespace expo
