#pragma once

#include <cstdint>
#include <string>

namespace expo {

/// A safetensors file by hand: the header's length (or a false one), the header as given, the data.
std::string safetensors_bytes(const std::string& header, const std::string& data);
std::string safetensors_bytes(std::uint64_t claimed_length, const std::string& header,
                              const std::string& data);

}  // namespace expo
