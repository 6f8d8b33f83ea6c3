#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace expo {

/// Bytes of a size as a person writes it: a number, possibly with a fraction of at most six digits,
/// and a unit in any case: none or B (bytes), K/KB, M/MB, G/GB, T/TB (powers of 1000, as Hugging
/// Face counts), KiB, MiB, GiB, TiB (powers of 1024). A fraction of a byte is cut off. Throws
/// Error(usage) for anything else, less than one byte, and 2^64 bytes and more.
std::uint64_t parse_byte_size(std::string_view text);

/// "999 bytes", "1.5 kB", "1.23 GB": powers of 1000.
std::string format_bytes(std::uint64_t bytes);

}  // namespace expo
