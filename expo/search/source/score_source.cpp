#include "expo/search/source/score_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace expo {

std::string label_of(double alpha) {
  return fmt::format("α = {}", alpha);
}

std::optional<std::size_t> find_candidate(std::span<const Candidate> candidates, double alpha,
                                          std::optional<std::size_t> family,
                                          const std::optional<ModulePoint>& modules) {
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& each = candidates[i];
    if (each.alpha == alpha && each.modules == modules &&
        each.family == family.value_or(each.family))
      return i;
  }
  return std::nullopt;
}

Glance glance_of(const Score& score, std::uint64_t cap) {
  Glance result{std::min(score.tokens, cap), score.tokens > cap, score.collapse};
  const bool is_seen = score.collapse == Collapse::repeating || score.collapse == Collapse::empty;
  if (!is_seen) result.collapse = result.is_cut ? Collapse::endless : Collapse::none;
  return result;
}

std::vector<Glance> ScoreSource::glance(std::span<const ScoreRequest> requests, std::uint64_t cap) {
  std::vector<Glance> result;
  for (const Score& score : scores(requests)) result.push_back(glance_of(score, cap));
  return result;
}

std::optional<std::size_t> ScoreSource::module_candidate(const ModulePoint&, std::size_t) {
  return std::nullopt;
}

}  // namespace expo
