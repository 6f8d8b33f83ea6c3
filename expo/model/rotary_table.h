#pragma once

#include <cstdint>
#include <vector>

#include "expo/model/architecture.h"

namespace expo {

/// The cosines and sines of the rotary embedding by position, in float32. Not thread-safe while it
/// grows.
class RotaryTable {
 public:
  RotaryTable(const RopeSpec& rope, std::int64_t head_dim);

  /// Extends the table to the positions [0, positions).
  void reserve(std::int64_t positions);
  std::int64_t half() const { return half_; }
  /// The cosines and the sines of a position: [half] each.
  const float* cosine(std::int64_t position) const { return cosines_.data() + position * half_; }
  const float* sine(std::int64_t position) const { return sines_.data() + position * half_; }

 private:
  std::int64_t half_;
  std::vector<float> frequencies_;
  std::vector<float> cosines_, sines_;
};

}  // namespace expo
