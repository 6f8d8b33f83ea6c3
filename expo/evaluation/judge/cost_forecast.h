#pragma once

#include <cstdint>
#include <string>

#include "expo/evaluation/judge/judge.h"
#include "expo/evaluation/judge/judge_prompt.h"

namespace expo {

/// The bytes of an answer that may not be written yet.
struct ForecastLength {
  std::uint64_t likely = 0;
  std::uint64_t largest = 0;

  /// Of an answer that is there.
  static ForecastLength of(const std::string& text) { return {text.size(), text.size()}; }
  /// Of one that a model is going to write, in at most so many tokens of its own, and likely in so
  /// many bytes. A judge's tokenizer is taken to make no more than four tokens of one of these.
  static ForecastLength unwritten(std::uint64_t most_tokens, std::uint64_t likely);
};

/// What it will cost to have answers judged before all of them are written.
class CostForecast {
 public:
  /// The template must outlive this object.
  CostForecast(const JudgeTemplate& prompt, const JudgeOptions& options)
      : template_(prompt), options_(options) {}

  /// Adds requests about an instruction and two answers of such lengths: `likely` of them, and
  /// `most` at most.
  void add(const std::string& instruction, ForecastLength baseline, ForecastLength model,
           double likely = 1, std::uint64_t most = 1);

  /// The costs so far. Its requests are the most that there may be.
  JudgeEstimate estimate() const;
  /// How many requests there likely are.
  std::uint64_t likely_requests() const;

 private:
  const JudgeTemplate& template_;
  const JudgeOptions options_;
  double likely_requests_ = 0;
  double likely_prompt_tokens_ = 0;
  double likely_completion_tokens_ = 0;
  std::uint64_t requests_ = 0;
  ChatUsage largest_;
};

}  // namespace expo
