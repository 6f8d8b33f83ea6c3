#include "expo/extrapolation/plan/integer_tensors.h"

#include <algorithm>
#include <array>

namespace expo {
namespace {

constexpr std::array<std::string_view, 8> kBuffers{
    "position_ids",   "token_type_ids", "num_batches_tracked", "relative_position_index",
    "cache_position", "masked_bias",    "attn.bias",           "attention.bias"};
constexpr std::array<std::string_view, 5> kPackedEndings{"qweight", "qzeros", "g_idx", "_packed",
                                                         ".weight"};

/// Whether a name ends in these words, preceded by nothing or by a dot.
bool ends_in_words(std::string_view name, std::string_view words) {
  if (!name.ends_with(words)) return false;
  const std::size_t before = name.size() - words.size();
  return before == 0 || name[before - 1] == '.';
}

bool has_sibling(const Checkpoint& checkpoint, std::string_view name, std::string_view ending,
                 std::string_view other) {
  if (!name.ends_with(ending)) return false;
  return checkpoint
      .find(std::string(name.substr(0, name.size() - ending.size())) + std::string(other))
      .has_value();
}

}  // namespace

bool is_integer_buffer(std::string_view name) {
  return std::ranges::any_of(kBuffers,
                             [&](std::string_view buffer) { return ends_in_words(name, buffer); });
}

bool looks_packed(const Checkpoint& checkpoint, const Tensor& tensor) {
  const std::string_view name = tensor.name;
  return std::ranges::any_of(kPackedEndings,
                             [&](std::string_view ending) { return name.ends_with(ending); }) ||
         has_sibling(checkpoint, name, "_blocks", "_scales") ||
         has_sibling(checkpoint, name, "_scales", "_blocks");
}

bool equal_bits(const Checkpoint& a, std::size_t index_a, const Checkpoint& b, std::size_t index_b,
                const CancellationToken& cancellation) {
  // A multiple of every packing unit (F4: 2 values per byte; F6: 4 values per 3 bytes).
  constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  const std::uint64_t elements = a.tensors()[index_a].elements();
  ReadScratch scratch_a;
  ReadScratch scratch_b;
  for (std::uint64_t first = 0; first < elements; first += kStep) {
    cancellation.check();
    const std::uint64_t count = std::min(kStep, elements - first);
    if (!std::ranges::equal(a.read(index_a, first, count, scratch_a),
                            b.read(index_b, first, count, scratch_b))) {
      return false;
    }
  }
  return true;
}

}  // namespace expo
