#include "expo/checkpoint/torch/pickle_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "expo/core/error.h"

namespace expo {

static_assert(std::endian::native == std::endian::little);

namespace {
constexpr std::size_t kMaxLine = 256;
}

PickleCursor::PickleCursor(std::span<const std::byte> bytes, std::string where)
    : bytes_(bytes), where_(std::move(where)) {}

void PickleCursor::fail(const std::string& what) const {
  throw input_error(fmt::format("{}: byte {} of the pickle: {}", where_, opcode_at_, what));
}

unsigned char PickleCursor::begin_opcode() {
  opcode_at_ = position_;
  return take<unsigned char>();
}

std::span<const std::byte> PickleCursor::take_bytes(std::size_t count) {
  if (count > bytes_.size() - position_) {
    fail("the pickle ends within a value; the file is damaged or cut short");
  }
  const auto taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

std::int64_t PickleCursor::take_long(std::size_t length) {
  if (length > 8) fail(fmt::format("an integer of {} bytes is beyond 64 bits", length));
  std::uint64_t bits = 0;
  const auto bytes = take_bytes(length);
  for (std::size_t i = 0; i < length; ++i) {
    bits |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  const bool negative = length > 0 && (bits >> (8 * length - 1) & 1) != 0;
  if (negative && length < 8) bits |= ~std::uint64_t{0} << (8 * length);
  return static_cast<std::int64_t>(bits);
}

std::string_view PickleCursor::take_line() {
  const auto rest = bytes_.subspan(position_);
  const auto limit = rest.first(std::min(rest.size(), kMaxLine));
  const auto end = std::ranges::find(limit, std::byte{'\n'});
  if (end == limit.end()) fail("a Python name does not end within 256 bytes");
  const auto length = static_cast<std::size_t>(end - limit.begin());
  position_ += length + 1;
  return {reinterpret_cast<const char*>(rest.data()), length};
}

}  // namespace expo
