#include "expo/training/ranks/agreement.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/training/data/byte_digest.h"

namespace expo {
namespace {

/// Returns as many bits of the digest as a float64 holds exactly.
double digest_of(const std::string& text) {
  const std::string digest = digest_of_bytes(text.data(), text.size());
  return static_cast<double>(std::stoull(digest.substr(digest.find(':') + 1, 13), nullptr, 16));
}

/// Every rank's numbers, in the order of the ranks.
at::Tensor of_all(RankGroup& ranks, const std::vector<double>& mine) {
  const auto count = static_cast<std::int64_t>(mine.size());
  at::Tensor all = at::zeros({ranks.size(), count}, at::kDouble);
  all[ranks.rank()].copy_(at::tensor(mine, at::kDouble));
  ranks.sum(all);
  return all;
}

std::string describe(const std::string& key) {
  if (key == "data") return "has read different rows";
  if (key == "evaluation_data") return "has read different rows to evaluate on";
  if (key == "weights") return "has read a different model";
  return fmt::format("has a different {}", key);
}

void compare(RankGroup& ranks, const std::vector<double>& mine,
             const std::vector<std::string>& names) {
  const at::Tensor all = of_all(ranks, mine);
  for (std::int64_t rank = 1; rank < ranks.size(); ++rank) {
    for (std::int64_t i = 0; i < all.size(1); ++i) {
      if (all[rank][i].item<double>() == all[0][i].item<double>()) continue;
      throw usage_error(fmt::format(
          "rank {} {} than rank 0; all ranks must have the same settings and see the same files",
          rank, names[static_cast<std::size_t>(i)]));
    }
  }
}

}  // namespace

void agree(RankGroup& ranks, const Json& same) {
  std::string keys;
  std::vector<double> values;
  std::vector<std::string> names;
  for (const auto& [key, value] : same.items()) {
    keys += key + "\n";
    values.push_back(digest_of(compact_json(value)));
    names.push_back(describe(key));
  }
  // The keys are compared first, because another method has other keys.
  compare(ranks, {digest_of(keys)}, {"trains in a different way"});
  compare(ranks, values, names);
}

}  // namespace expo
