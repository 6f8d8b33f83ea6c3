#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "expo/search/source/score_source.h"

namespace expo {

/// A source whose scores are given by a function, which keeps what it was asked for.
class FakeSource final : public ScoreSource {
 public:
  using Function = std::function<Score(double alpha, const ScoreRequest&)>;

  FakeSource(std::vector<double> alphas, std::size_t prompts, Function function,
             std::uint32_t samples = 1)
      : prompts_(prompts), samples_(samples), function_(std::move(function)) {
    for (const double alpha : alphas) candidates_.push_back({alpha, label_of(alpha), 0});
  }
  FakeSource(std::vector<Candidate> candidates, std::size_t prompts, Function function)
      : candidates_(std::move(candidates)),
        prompts_(prompts),
        samples_(1),
        function_(std::move(function)) {}

  const std::vector<Candidate>& candidates() const override { return candidates_; }
  std::size_t prompts() const override { return prompts_; }
  std::uint32_t samples() const override { return samples_; }
  std::optional<std::uint64_t> longest() const override { return most; }
  std::vector<Measure> measures() const override { return further; }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override {
    if (!makes_candidates) return std::nullopt;
    candidates_.push_back({alpha, label_of(alpha), candidates_.at(like).family});
    return candidates_.size() - 1;
  }
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override {
    std::vector<Score> result;
    ++calls;
    for (const ScoreRequest& request : requests) {
      if (asked.size() >= fails_after) throw std::runtime_error("the engine died");
      asked.push_back(request);
      result.push_back(function_(candidates_.at(request.candidate).alpha, request));
      generate(request, result.back().tokens);
    }
    return result;
  }

  /// Its answers end below any cap, unless `is_cut`.
  std::vector<Glance> glance(std::span<const ScoreRequest> requests, std::uint64_t cap) override {
    glanced.insert(glanced.end(), requests.begin(), requests.end());
    std::vector<Glance> result;
    for (const ScoreRequest& request : requests) {
      const Score score = function_(candidates_.at(request.candidate).alpha, request);
      result.push_back(glance_of(score, is_cut ? cap : UINT64_MAX));
      result.back().goes_on = goes_on;
      if (goes_on || !result.back().is_cut) {
        generate(request, result.back().tokens);
      } else {
        generated += result.back().tokens;
      }
    }
    return result;
  }

  std::vector<ScoreRequest> asked;
  std::size_t calls = 0;
  std::uint64_t generated = 0;  ///< tokens; what is kept is not generated again
  std::vector<ScoreRequest> glanced;
  bool is_cut = false;
  bool goes_on = false;  ///< what was cut is paid for once
  std::size_t fails_after = SIZE_MAX;
  bool makes_candidates = false;
  std::vector<Measure> further = {};
  std::optional<std::uint64_t> most = {};  ///< tokens of an answer

 private:
  void generate(const ScoreRequest& request, std::uint64_t tokens) {
    std::uint64_t& kept = kept_[{request.candidate, request.prompt, request.sample}];
    generated += tokens - std::min(tokens, kept);
    kept = std::max(kept, tokens);
  }

  std::vector<Candidate> candidates_;
  std::size_t prompts_;
  std::uint32_t samples_;
  Function function_;
  std::map<std::tuple<std::size_t, std::size_t, std::uint32_t>, std::uint64_t> kept_;
};

/// 0, 1, …, count − 1.
inline std::vector<std::size_t> numbers(std::size_t count) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(i);
  return result;
}

/// A number between −1 and 1 that looks random, and depends on its arguments only.
inline double jitter(std::size_t a, std::size_t b, std::size_t c = 0) {
  const std::uint64_t mixed =
      (a * 2654435761U + b * 40503U + c * 97U + 12345U) * 6364136223846793005U;
  return static_cast<double>(mixed >> 40) / static_cast<double>(1U << 23) - 1;
}

}  // namespace expo
