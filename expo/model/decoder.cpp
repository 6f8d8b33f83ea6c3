#include "expo/model/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

void check_parts(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                 const KvCache* cache) {
  std::size_t tokens = 0;
  for (const SequencePart& part : parts) {
    const bool fits = cache == nullptr
                          ? part.start == 0
                          : part.slot >= 0 && part.slot < cache->slots() && part.start >= 0 &&
                                part.start + part.count <= cache->capacity();
    if (part.count < 1 || !fits) {
      throw usage_error(fmt::format("{} tokens from position {} do not fit slot {} of the cache",
                                    part.count, part.start, part.slot));
    }
    tokens += static_cast<std::size_t>(part.count);
  }
  if (tokens != ids.size() || tokens == 0)
    throw usage_error(fmt::format("{} ids were given for {} tokens", ids.size(), tokens));
}

}  // namespace

at::Tensor Decoder::hidden_states(std::span<const std::int64_t> ids,
                                  std::span<const SequencePart> parts, KvCache* cache) {
  const c10::InferenceMode no_gradients;
  check_parts(ids, parts, cache);
  const auto stray = std::ranges::find_if(
      ids, [&](std::int64_t id) { return id < 0 || id >= architecture_.vocabulary; });
  if (stray != ids.end()) {
    throw input_error(fmt::format(
        "the token id {} is outside the model's vocabulary of {}; use the tokenizer of this model",
        *stray, architecture_.vocabulary));
  }
  return compute(ids, parts, cache);
}

}  // namespace expo
