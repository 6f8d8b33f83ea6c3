#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "expo/checkpoint/checkpoint.h"

namespace expo {

/// A checkpoint in memory, of tensors of float (float32) or double (float64).
template <typename Value>
class MemoryCheckpointOf final : public Checkpoint {
 public:
  struct Entry {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::vector<Value> values;
  };

  explicit MemoryCheckpointOf(std::vector<Entry> entries) : entries_(std::move(entries)) {
    constexpr bool is_double = std::is_same_v<Value, double>;
    constexpr DType dtype = is_double ? DType::f64 : DType::f32;
    for (const Entry& entry : entries_) {
      tensors_.push_back(
          {entry.name, entry.shape, dtype, dtype, is_double ? "F64" : "F32", std::nullopt});
    }
    index_tensors();
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch&) const override {
    return std::as_bytes(std::span(entries_[index].values).subspan(first, count));
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace expo
