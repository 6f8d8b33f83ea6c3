#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// Composes a GGUF file by hand, well-formed or malformed.
class GgufBytes {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  ///< alignment of the data; not written as general.alignment

  GgufBytes& pair(std::string_view key, GgufType type, std::string_view value);
  GgufBytes& u32(std::string_view key, std::uint32_t value);
  GgufBytes& f32(std::string_view key, float value);
  GgufBytes& boolean(std::string_view key, unsigned char value);
  GgufBytes& text(std::string_view key, std::string_view value);
  GgufBytes& texts(std::string_view key, const std::vector<std::string>& values);
  GgufBytes& integers(std::string_view key, const std::vector<std::int32_t>& values);
  GgufBytes& reals(std::string_view key, const std::vector<float>& values);

  /// `dimensions` are in the file's order, beginning with the length of a row. The offset follows
  /// from the data.
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                    std::uint32_t type, std::string_view data);
  /// Adds a tensor with an offset of the caller's choice and no data.
  GgufBytes& tensor_at(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                       std::uint32_t type, std::uint64_t offset);

  /// The whole file; the counts are correct unless they are given.
  std::string bytes() const;
  std::string bytes_with_counts(std::uint64_t tensors, std::uint64_t pairs) const;

  /// Numbers and strings in GGUF's encoding.
  template <typename Value>
  static std::string number(Value value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  static std::string string(std::string_view text);

 private:
  std::string pairs_;
  std::string tensors_;
  std::string data_;
  std::uint64_t pair_count_ = 0;
  std::uint64_t tensor_count_ = 0;
};

/// The bytes of float32 values.
std::string float_bytes(const std::vector<float>& values);

/// A complete small Llama with recognisable weights: `layers` layers, width 8, 2 heads of 4, 1 KV
/// head, and a vocabulary of 5.
GgufBytes small_llama(std::uint32_t layers = 1);

}  // namespace expo
