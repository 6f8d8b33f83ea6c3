// Reads any bytes as the pickle of a state_dict: the result must refer only to the input, and its
// size must be bounded by the input's.
#include <cstdint>
#include <span>

#include "expo/checkpoint/torch/pickle.h"
#include "expo/checkpoint/torch/state_dict.h"
#include "expo/core/error.h"

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

void check(const expo::Pickle& pickle) {
  std::size_t items = 0;
  for (const auto& sequence : pickle.sequences) {
    items += sequence.size();
    for (const auto& value : sequence) {
      if (value.kind != expo::PickleValue::Kind::text) continue;
      require(value.index + value.length <= pickle.bytes.size());
    }
  }
  const std::size_t size = pickle.bytes.size();
  require(items <= size && pickle.sequences.size() <= size && pickle.tensors.size() <= size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const expo::Pickle pickle = expo::read_pickle(std::as_bytes(std::span(data, size)), "fuzz");
    check(pickle);
    for (const auto& entry : expo::read_state_dict(pickle, "fuzz").entries) {
      require(!entry.name.empty() && entry.name.size() <= size);
      require(entry.layout.shape.size() == entry.layout.stride.size());
    }
  } catch (const expo::Error& error) {
    require(error.category() == expo::ErrorCategory::input);
  }
  return 0;
}
