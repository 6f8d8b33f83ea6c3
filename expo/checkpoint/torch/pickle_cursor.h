#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace expo {

/// Walks through a pickle's bytes, and keeps the place that errors name: the opcode that was begun
/// last.
class PickleCursor {
 public:
  /// Every message begins with `where` (a file). Refers to `bytes`.
  PickleCursor(std::span<const std::byte> bytes, std::string where);

  /// Throws Error(input) with the file, the byte of the current opcode, and what is wrong.
  [[noreturn]] void fail(const std::string& what) const;

  /// Reads the next opcode.
  unsigned char begin_opcode();
  /// Reads a little-endian number.
  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> take_bytes(std::size_t count);
  /// Reads a two's-complement number of `length` bytes, at most 8.
  std::int64_t take_long(std::size_t length);
  /// Reads a part of a Python name, up to a line feed within 256 bytes.
  std::string_view take_line();

  std::size_t position() const { return position_; }
  bool at_end() const { return position_ == bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  std::size_t position_ = 0;
  std::size_t opcode_at_ = 0;
};

}  // namespace expo
