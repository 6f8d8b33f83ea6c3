#pragma once

#include <cstdint>
#include <string>

namespace expo {

/// Composes a safetensors file by hand: the header's length (or a false one), the given header, and
/// the data.
std::string safetensors_bytes(const std::string& header, const std::string& data);
std::string safetensors_bytes(std::uint64_t claimed_length, const std::string& header,
                              const std::string& data);

}  // namespace expo
