#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace expo {

/// Parses a size as people write it and returns it in bytes: a number, with a fraction of at most
/// six digits if any, and a unit in any case: none or B (bytes), K/KB, M/MB, G/GB, T/TB (powers of
/// 1000, as Hugging Face counts), KiB, MiB, GiB, TiB (powers of 1024). A fraction of a byte is cut
/// off. Throws Error(usage) for any other text, for less than one byte, and for 2^64 bytes or more.
std::uint64_t parse_byte_size(std::string_view text);

/// Formats a size in powers of 1000: "999 bytes", "1.5 kB", "1.23 GB".
std::string format_bytes(std::uint64_t bytes);

}  // namespace expo
