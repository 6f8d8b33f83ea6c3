#include "support/safetensors_bytes.h"

namespace expo {

std::string safetensors_bytes(std::uint64_t claimed_length, const std::string& header,
                              const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(claimed_length >> (8 * i) & 0xff);
  return bytes + header + data;
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return safetensors_bytes(header.size(), header, data);
}

}  // namespace expo
