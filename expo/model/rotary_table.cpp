#include "expo/model/rotary_table.h"

#include <cmath>

#include "expo/model/rotary_embedding.h"

namespace expo {

RotaryTable::RotaryTable(const RopeSpec& rope, std::int64_t head_dim) : half_(head_dim / 2) {
  const at::Tensor frequencies = inverse_frequencies(rope, head_dim).contiguous();
  const auto* data = frequencies.const_data_ptr<float>();
  frequencies_.assign(data, data + half_);
}

void RotaryTable::reserve(std::int64_t positions) {
  const auto held = static_cast<std::int64_t>(cosines_.size()) / half_;
  for (std::int64_t position = held; position < positions; ++position) {
    for (const float frequency : frequencies_) {
      const float angle = static_cast<float>(position) * frequency;
      cosines_.push_back(std::cos(angle));
      sines_.push_back(std::sin(angle));
    }
  }
}

}  // namespace expo
