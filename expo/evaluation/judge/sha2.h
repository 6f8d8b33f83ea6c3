#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace expo {

/// The SHA-256 of a text as 64 hexadecimal digits, as `sha256sum` prints it.
std::string sha256_digits(std::string_view text);

/// The SHA-512 of a text.
std::array<std::uint8_t, 64> sha512(std::string_view text);

}  // namespace expo
