#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "expo/search/source/score_source.h"

namespace expo {

/// What one candidate does with one row of a table, or with one prompt: means over the samples.
struct PromptScore {
  double score = 0;
  double length = 0;
  double truncated = 0;               ///< share of the samples that the limit ended
  double tokens = 0;                  ///< of all samples together
  std::vector<double> measures = {};  ///< the source's further ones, in its order
};

/// One of the numbers of a PromptScore.
class MeasurePick {
 public:
  MeasurePick(double PromptScore::*member) : member_(member) {}  // NOLINT: may stand for a member
  explicit MeasurePick(std::size_t further) : further_(further) {}  ///< a number of `measures`

  double of(const PromptScore& score) const {
    return member_ != nullptr ? score.*member_ : score.measures.at(further_);
  }

 private:
  double PromptScore::*member_ = nullptr;
  std::size_t further_ = 0;
};

/// The order in which a table asks for several samples of a prompt.
enum class SampleOrder {
  together,  ///< a row is a prompt with all its samples
  apart,     ///< a row is one sample: first one of each prompt, then the second of each …
};

/// What is known so far of the candidates on some of a source's prompts. Its rows are answered from
/// the first one on. Samples apart are worth more while there are few: answers to another prompt
/// tell more than another answer to the same one.
class ScoreTable {
 public:
  /// `source` must outlive this object.
  ScoreTable(ScoreSource& source, std::vector<std::size_t> prompts,
             SampleOrder order = SampleOrder::together);

  ScoreSource& source() const { return source_; }
  const std::vector<Candidate>& candidates() const { return source_.candidates(); }
  std::size_t rows() const { return prompts_.size() * passes_; }

  /// Asks in one batch for what is missing of the candidates' first `end` rows.
  void ask(std::span<const std::size_t> candidates, std::size_t end);

  /// What ask() would ask a candidate for its rows from `begin` to `end`, as many for each row.
  std::vector<ScoreRequest> requests(std::size_t candidate, std::size_t begin,
                                     std::size_t end) const;

  /// Counts tokens that were generated for no row.
  void charge(std::uint64_t tokens) { tokens_ += tokens; }

  /// Counts tokens of an answer that were generated before its row is asked for, so many in all.
  /// When it is, only what was generated beyond them is counted.
  void prepay(const ScoreRequest& request, std::uint64_t tokens);

  /// The tokens that were prepaid for rows of a candidate that have not been asked for.
  std::uint64_t prepaid(std::size_t candidate) const;

  /// The candidate's rows from the first on, as far as they are known.
  std::span<const PromptScore> of(std::size_t candidate) const;

  /// The candidate's prompts from the first on, as far as they are known: means over the rows of
  /// each, which are the independent units of statistics. Only rows below `end` count, so that two
  /// candidates can be compared on equal samples.
  std::vector<PromptScore> prompt_means(std::size_t candidate, std::size_t end = SIZE_MAX) const;

  /// The tokens of all that was asked for, and what was charged.
  std::uint64_t tokens() const { return tokens_; }

  /// The most that the candidates' rows below `end` that are missing can take; std::nullopt where
  /// the source does not know how long answers can be.
  std::optional<double> most_tokens(std::span<const std::size_t> candidates, std::size_t end) const;

  /// The price of one more row of a candidate, by what it or else all candidates took so far;
  /// std::nullopt before anything was asked.
  std::optional<double> expected_tokens(std::size_t candidate) const;

  /// The mean price of a candidate's own rows; std::nullopt if it has none.
  std::optional<double> own_tokens(std::size_t candidate) const;

  /// The standard deviation of the prices of a candidate's rows, pooled over all candidates, and
  /// drawn towards a usual one while there are few; 0 before anything was asked.
  double token_deviation() const;

 private:
  void add(std::span<const ScoreRequest> requests, std::span<const Score> samples);
  std::uint64_t take_prepaid(const ScoreRequest& request);

  ScoreSource& source_;
  std::vector<std::size_t> prompts_;
  std::uint32_t passes_;  ///< over the prompts
  /// What rows took: sums of their tokens and of the squares of these.
  struct Price {
    double rows = 0;
    double tokens = 0;
    double squares = 0;
  };

  std::vector<std::vector<PromptScore>> known_;  ///< by candidate
  std::vector<Price> prices_;                    ///< by candidate
  Price all_;
  /// By candidate, then by prompt and sample.
  std::map<std::size_t, std::map<std::pair<std::size_t, std::uint32_t>, std::uint64_t>> prepaid_;
  std::uint64_t tokens_ = 0;
};

/// One measure of a candidate as numbers, by default its scores.
std::vector<double> score_values(std::span<const PromptScore> scores,
                                 MeasurePick measure = &PromptScore::score);

/// Differences of one measure between two candidates, on what is known of both.
std::vector<double> paired_differences(std::span<const PromptScore> scores,
                                       std::span<const PromptScore> baseline,
                                       MeasurePick measure = &PromptScore::score);

}  // namespace expo
