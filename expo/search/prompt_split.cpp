#include "expo/search/prompt_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <unordered_set>

#include "expo/core/error.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace expo {
namespace {

constexpr std::uint64_t kPartSeed = 0;
constexpr std::uint64_t kOrderSeed = 1;

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

void sort_by_hash(std::vector<std::size_t>& prompts, std::span<const std::string> texts) {
  std::vector<std::pair<std::uint64_t, std::size_t>> keyed;
  for (const std::size_t prompt : prompts)
    keyed.emplace_back(hash(texts[prompt], kOrderSeed), prompt);
  std::sort(keyed.begin(), keyed.end(), [&](const auto& left, const auto& right) {
    return std::tie(left.first, texts[left.second]) < std::tie(right.first, texts[right.second]);
  });
  std::transform(keyed.begin(), keyed.end(), prompts.begin(),
                 [](const auto& each) { return each.second; });
}

}  // namespace

PromptSplit split_prompts(std::span<const std::string> texts, double choosing_share) {
  if (!(choosing_share > 0 && choosing_share < 1)) {
    throw usage_error(
        fmt::format("the share of prompts that choose is {}; expected a number "
                    "between 0 and 1",
                    choosing_share));
  }
  PromptSplit split;
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!seen.insert(texts[i]).second) {
      ++split.duplicates;
      continue;
    }
    const double place = std::ldexp(static_cast<double>(hash(texts[i], kPartSeed) >> 11), -53);
    (place < choosing_share ? split.choosing : split.confirming).push_back(i);
  }
  sort_by_hash(split.choosing, texts);
  sort_by_hash(split.confirming, texts);
  return split;
}

}  // namespace expo
