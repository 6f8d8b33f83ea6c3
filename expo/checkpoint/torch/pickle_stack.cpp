#include "expo/checkpoint/torch/pickle_stack.h"

#include <fmt/format.h>

namespace expo {

void PickleStack::require(std::size_t count) const {
  if (values_.size() - (marks_.empty() ? 0 : marks_.back()) < count) {
    cursor_.fail("an operation finds too few values on the stack; the file is damaged");
  }
}

PickleValue PickleStack::top() const {
  require(1);
  return values_.back();
}

PickleValue PickleStack::pop() {
  const PickleValue value = top();
  values_.pop_back();
  return value;
}

std::vector<PickleValue> PickleStack::pop_many(std::size_t count) {
  require(count);
  const auto first = values_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<PickleValue> values(first, values_.end());
  values_.erase(first, values_.end());
  return values;
}

void PickleStack::push_mark() {
  if (marks_.size() >= kMaxPickleDepth) cursor_.fail("values are nested too deeply");
  marks_.push_back(values_.size());
}

std::vector<PickleValue> PickleStack::pop_to_mark() {
  if (marks_.empty()) {
    cursor_.fail("an operation finds no mark on the stack; the file is damaged");
  }
  auto values = pop_many(values_.size() - marks_.back());
  marks_.pop_back();
  return values;
}

void PickleStack::memoise(std::uint32_t slot) {
  if (slot > memo_.size()) {
    cursor_.fail(fmt::format("the memo slot {} is set before slot {}", slot, memo_.size()));
  }
  if (slot == memo_.size()) memo_.emplace_back();
  memo_[slot] = top();
}

void PickleStack::recall(std::uint32_t slot) {
  if (slot >= memo_.size()) {
    cursor_.fail(fmt::format("the memo slot {} was never set", slot));
  }
  push(memo_[slot]);
}

}  // namespace expo
