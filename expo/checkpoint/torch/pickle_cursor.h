#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace expo {

/// A pickle's bytes from first to last, and the place that errors name: the opcode last begun.
class PickleCursor {
 public:
  /// `where` (a file) begins every message. Views `bytes`.
  PickleCursor(std::span<const std::byte> bytes, std::string where);

  /// Throws Error(input): file, byte of the current opcode, what.
  [[noreturn]] void fail(const std::string& what) const;

  /// The next opcode.
  unsigned char begin_opcode();
  /// Little-endian numbers.
  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> take_bytes(std::size_t count);
  /// A two's-complement number of `length` bytes, at most 8.
  std::int64_t take_long(std::size_t length);
  /// A part of a Python name, up to a line feed that is within 256 bytes.
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
