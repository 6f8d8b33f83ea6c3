#pragma once

#include <cstdint>
#include <vector>

#include "expo/checkpoint/torch/pickle.h"
#include "expo/checkpoint/torch/pickle_cursor.h"

namespace expo {

/// The stack, the marks on it and the memo of the machine that reads a pickle. Every failure is
/// Error(input) at the place where `cursor` stands.
class PickleStack {
 public:
  explicit PickleStack(const PickleCursor& cursor) : cursor_(cursor) {}

  void push(const PickleValue& value) { values_.push_back(value); }
  /// The value on top, above the last mark.
  PickleValue top() const;
  PickleValue pop();
  std::vector<PickleValue> pop_many(std::size_t count);

  /// At most kMaxPickleDepth at once.
  void push_mark();
  std::vector<PickleValue> pop_to_mark();

  /// Sets a slot of the memo to the top. Picklers number the slots in order, so a gap is refused:
  /// it is damage, or a forgery that wants memory.
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
