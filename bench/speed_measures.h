#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/model/weight_store.h"

namespace expo {

/// The seconds since `start`.
inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Opens a model with the default settings.
inline std::shared_ptr<const Checkpoint> open_model(const std::string& reference) {
  return open_checkpoint(posix_filesystem(), reference, {}, hugging_face_environment());
}

/// The bytes of the model's weights, without the padding of a layout.
inline std::uint64_t weight_bytes(const WeightStore& store) {
  std::uint64_t elements = 0;
  for (const auto& entry : store.entries()) {
    elements += std::accumulate(entry.shape.begin(), entry.shape.end(), std::uint64_t{1},
                                std::multiplies<>());
  }
  return elements * byte_width(store.dtype());
}

}  // namespace expo
