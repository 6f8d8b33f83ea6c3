#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/text/bridge.h"
#include "expo/text/text_span.h"

namespace expo::bridge {

inline const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// Owns bytes that the bridge returned, and frees them.
class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { expo_bytes_free(value_); }
  ExpoBytes* out() { return &value_; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(value_.data), value_.size};
  }
  std::string text() const { return std::string(view()); }

 private:
  ExpoBytes value_{nullptr, 0};
};

/// Owns ids or positions that the bridge returned, and frees them.
class Ids {
 public:
  Ids() = default;
  Ids(const Ids&) = delete;
  Ids& operator=(const Ids&) = delete;
  ~Ids() { expo_ids_free(value_); }
  ExpoIds* out() { return &value_; }
  std::vector<std::uint32_t> vector() const { return {value_.data, value_.data + value_.size}; }
  /// The positions as pairs.
  std::vector<TextSpan> spans() const {
    std::vector<TextSpan> result(value_.size / 2);
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = {value_.data[2 * i], value_.data[2 * i + 1]};
    return result;
  }

 private:
  ExpoIds value_{nullptr, 0};
};

}  // namespace expo::bridge
