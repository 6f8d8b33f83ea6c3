#pragma once

#include <vector>

#include "expo/search/source/score_source.h"

namespace expo {

/// Another source with its prompts drawn with replacement, a replay of what could have been asked:
/// the truth of each candidate is its mean over all prompts of the other source. With
/// `without_gain` the candidates with α ≥ 0 of each prompt change places at random, so that all of
/// them are equal in truth, in all else as they were.
class ResampledSource final : public ScoreSource {
 public:
  /// `source` must outlive this object.
  ResampledSource(ScoreSource& source, std::uint64_t seed, bool without_gain = false);

  const std::vector<Candidate>& candidates() const override { return source_.candidates(); }
  std::size_t prompts() const override { return drawn_.size(); }
  std::uint32_t samples() const override { return source_.samples(); }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override;
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override;

 private:
  ScoreSource& source_;
  std::vector<std::size_t> drawn_;                ///< the other source's prompt for each prompt
  std::vector<std::vector<std::size_t>> places_;  ///< the other source's candidate, by prompt
};

}  // namespace expo
