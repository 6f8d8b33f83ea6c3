#include "expo/search/score_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"

namespace expo {

ScoreTable::ScoreTable(ScoreSource& source, std::vector<std::size_t> prompts, SampleOrder order)
    : source_(source),
      prompts_(std::move(prompts)),
      passes_(order == SampleOrder::apart ? source.samples() : 1),
      known_(source.candidates().size()) {}

void ScoreTable::ask(std::span<const std::size_t> candidates, std::size_t end) {
  known_.resize(source_.candidates().size());
  prices_.resize(source_.candidates().size());
  const std::uint32_t samples = source_.samples() / passes_;  // of a row
  std::vector<ScoreRequest> requests;
  for (const std::size_t candidate : candidates) {
    for (std::size_t row = known_.at(candidate).size(); row < std::min(end, rows()); ++row) {
      const auto first = static_cast<std::uint32_t>(row / prompts_.size());
      for (std::uint32_t sample = first; sample < first + samples; ++sample) {
        requests.push_back({candidate, prompts_[row % prompts_.size()], sample});
      }
    }
  }
  const std::vector<Score> scores = source_.scores(requests);
  if (scores.size() != requests.size()) {
    throw environment_error(fmt::format("a source of scores returned {} scores for {} requests",
                                        scores.size(), requests.size()));
  }
  for (std::size_t i = 0; i < requests.size(); i += samples) {
    add(requests[i].candidate, std::span(scores).subspan(i, samples));
  }
}

void ScoreTable::add(std::size_t candidate, std::span<const Score> samples) {
  PromptScore result;
  for (const Score& sample : samples) {
    if (!std::isfinite(sample.score)) {
      throw input_error(fmt::format("an answer at {} has the score {}; expected a finite number",
                                    candidates()[candidate].label, sample.score));
    }
    result.score += sample.score;
    result.length += sample.length;
    result.truncated += sample.ending == Ending::length ? 1 : 0;
    result.tokens += static_cast<double>(sample.tokens);
    tokens_ += sample.tokens;
  }
  const auto count = static_cast<double>(samples.size());
  result.score /= count;
  result.length /= count;
  result.truncated /= count;
  known_[candidate].push_back(result);
  for (Price* price : {&prices_[candidate], &all_}) {
    price->rows += 1;
    price->tokens += result.tokens;
    price->squares += result.tokens * result.tokens;
  }
}

std::span<const PromptScore> ScoreTable::of(std::size_t candidate) const {
  if (candidate >= known_.size()) return {};
  return known_[candidate];
}

std::vector<PromptScore> ScoreTable::prompt_means(std::size_t candidate, std::size_t end) const {
  const auto rows = of(candidate).first(std::min(end, of(candidate).size()));
  std::vector<PromptScore> means;
  for (std::size_t first = 0; first < std::min(rows.size(), prompts_.size()); ++first) {
    PromptScore mean;
    double count = 0;
    for (std::size_t row = first; row < rows.size(); row += prompts_.size(), ++count) {
      mean.score += rows[row].score;
      mean.length += rows[row].length;
      mean.truncated += rows[row].truncated;
      mean.tokens += rows[row].tokens;
    }
    mean.score /= count;
    mean.length /= count;
    mean.truncated /= count;
    means.push_back(mean);
  }
  return means;
}

std::optional<double> ScoreTable::expected_tokens(std::size_t candidate) const {
  constexpr double kOthers = 4;  // the mean of all counts as much as so many rows of its own
  if (all_.rows == 0) return std::nullopt;
  const Price own = candidate < prices_.size() ? prices_[candidate] : Price{};
  return (own.tokens + kOthers * all_.tokens / all_.rows) / (kOthers + own.rows);
}

double ScoreTable::token_deviation() const {
  // A few rows may be alike by chance, so the estimate starts from what lengths of answers do.
  constexpr double kUsual = 0.7;  // of the mean
  constexpr double kWeight = 8;   // rows
  if (all_.rows == 0) return 0;
  const double usual = kUsual * all_.tokens / all_.rows;
  double squares = kWeight * usual * usual;
  double freedom = kWeight;
  for (const Price& price : prices_) {
    if (price.rows < 2) continue;
    squares += price.squares - price.tokens * price.tokens / price.rows;
    freedom += price.rows - 1;
  }
  return std::sqrt(std::max(0.0, squares / freedom));
}

std::vector<double> score_values(std::span<const PromptScore> scores) {
  std::vector<double> values;
  values.reserve(scores.size());
  for (const PromptScore& each : scores) values.push_back(each.score);
  return values;
}

std::vector<double> paired_differences(std::span<const PromptScore> scores,
                                       std::span<const PromptScore> baseline,
                                       double PromptScore::*measure) {
  std::vector<double> differences;
  const std::size_t common = std::min(scores.size(), baseline.size());
  for (std::size_t i = 0; i < common; ++i) {
    differences.push_back(scores[i].*measure - baseline[i].*measure);
  }
  return differences;
}

}  // namespace expo
