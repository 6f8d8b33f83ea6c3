#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "expo/search/source/score_source.h"

namespace expo {

/// What one candidate does with one prompt: means over its samples.
struct PromptScore {
  double score = 0;
  double length = 0;
  double truncated = 0;  ///< share of the samples that the limit ended
  double tokens = 0;     ///< of all samples together
};

/// What is known so far of the candidates on some of a source's prompts, which are numbered by
/// their place in the given list. Samples are averaged here, as prompts are the independent unit.
class ScoreTable {
 public:
  /// `source` must outlive this object.
  ScoreTable(ScoreSource& source, std::vector<std::size_t> prompts);

  ScoreSource& source() const { return source_; }
  const std::vector<Candidate>& candidates() const { return source_.candidates(); }
  std::size_t prompts() const { return prompts_.size(); }

  /// Asks in one batch for what is missing of the candidates' first `end` prompts.
  void ask(std::span<const std::size_t> candidates, std::size_t end);

  /// The candidate's prompts from the first on, as far as they are known.
  std::span<const PromptScore> of(std::size_t candidate) const;

  /// The tokens of all that was asked for.
  std::uint64_t tokens() const { return tokens_; }

  /// The price of one more prompt of a candidate, by what it or else all candidates took so far;
  /// std::nullopt before anything was asked.
  std::optional<double> expected_tokens(std::size_t candidate) const;

 private:
  void add(std::size_t candidate, std::span<const Score> samples);

  ScoreSource& source_;
  std::vector<std::size_t> prompts_;
  std::vector<std::vector<PromptScore>> known_;  ///< by candidate
  std::uint64_t tokens_ = 0;
};

/// The scores of a candidate as numbers.
std::vector<double> score_values(std::span<const PromptScore> scores);

/// Differences of one measure between two candidates, on the prompts that are known of both.
std::vector<double> paired_differences(std::span<const PromptScore> scores,
                                       std::span<const PromptScore> baseline,
                                       double PromptScore::*measure = &PromptScore::score);

}  // namespace expo
