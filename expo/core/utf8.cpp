#include "expo/core/utf8.h"

#include <cstddef>
#include <cstdint>

namespace expo {
namespace {

/// The length of the character that begins with `lead`; 0 if no character begins with that byte.
std::size_t length_of(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// The smallest code point that takes a given number of bytes.
constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};

}  // namespace

bool valid_utf8(std::string_view bytes) noexcept {
  std::size_t position = 0;
  while (position < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[position]);
    const std::size_t length = length_of(lead);
    if (length == 0 || length > bytes.size() - position) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(bytes[position + i]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (point < kSmallest[length] || point > 0x10ffff || surrogate) return false;
    position += length;
  }
  return true;
}

}  // namespace expo
