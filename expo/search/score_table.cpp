#include "expo/search/score_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"

namespace expo {
namespace {

void add_measures(const std::vector<double>& values, std::vector<double>& sums) {
  sums.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
}

/// Turns sums over `count` samples or rows into means; tokens stay a sum.
void divide(PromptScore& sums, double count) {
  sums.score /= count;
  sums.length /= count;
  sums.truncated /= count;
  for (double& each : sums.measures) each /= count;
}

}  // namespace

ScoreTable::ScoreTable(ScoreSource& source, std::vector<std::size_t> prompts, SampleOrder order)
    : source_(source),
      prompts_(std::move(prompts)),
      passes_(order == SampleOrder::apart ? source.samples() : 1),
      known_(source.candidates().size()) {}

void ScoreTable::ask(std::span<const std::size_t> candidates, std::size_t end) {
  known_.resize(source_.candidates().size());
  prices_.resize(source_.candidates().size());
  const std::uint32_t samples = source_.samples() / passes_;  // of a row
  std::vector<ScoreRequest> wanted;
  for (const std::size_t candidate : candidates) {
    const auto missing = requests(candidate, known_.at(candidate).size(), end);
    wanted.insert(wanted.end(), missing.begin(), missing.end());
  }
  const std::vector<Score> scores = source_.scores(wanted);
  if (scores.size() != wanted.size()) {
    throw environment_error(fmt::format("a source of scores returned {} scores for {} requests",
                                        scores.size(), wanted.size()));
  }
  for (std::size_t i = 0; i < wanted.size(); i += samples) {
    add(std::span(wanted).subspan(i, samples), std::span(scores).subspan(i, samples));
  }
}

std::vector<ScoreRequest> ScoreTable::requests(std::size_t candidate, std::size_t begin,
                                               std::size_t end) const {
  const std::uint32_t samples = source_.samples() / passes_;
  std::vector<ScoreRequest> result;
  for (std::size_t row = begin; row < std::min(end, rows()); ++row) {
    const auto first = static_cast<std::uint32_t>(row / prompts_.size());
    for (std::uint32_t sample = first; sample < first + samples; ++sample) {
      result.push_back({candidate, prompts_[row % prompts_.size()], sample});
    }
  }
  return result;
}

void ScoreTable::prepay(const ScoreRequest& request, std::uint64_t tokens) {
  std::uint64_t& paid = prepaid_[request.candidate][{request.prompt, request.sample}];
  tokens_ += tokens - std::min(tokens, paid);
  paid = std::max(paid, tokens);
}

std::uint64_t ScoreTable::prepaid(std::size_t candidate) const {
  const auto found = prepaid_.find(candidate);
  if (found == prepaid_.end()) return 0;
  std::uint64_t sum = 0;
  for (const auto& [answer, tokens] : found->second) sum += tokens;
  return sum;
}

std::uint64_t ScoreTable::take_prepaid(const ScoreRequest& request) {
  const auto found = prepaid_.find(request.candidate);
  if (found == prepaid_.end()) return 0;
  const auto answer = found->second.extract({request.prompt, request.sample});
  return answer ? answer.mapped() : 0;
}

void ScoreTable::add(std::span<const ScoreRequest> requests, std::span<const Score> samples) {
  const std::size_t candidate = requests.front().candidate;
  PromptScore result;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Score& sample = samples[i];
    if (!std::isfinite(sample.score)) {
      throw input_error(fmt::format("an answer at {} has the score {}; expected a finite number",
                                    candidates()[candidate].label, sample.score));
    }
    result.score += sample.score;
    result.length += sample.length;
    result.truncated += sample.ending == Ending::length ? 1 : 0;
    result.tokens += static_cast<double>(sample.tokens);
    add_measures(sample.measures, result.measures);
    tokens_ += sample.tokens - std::min(sample.tokens, take_prepaid(requests[i]));
  }
  divide(result, static_cast<double>(samples.size()));
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
      add_measures(rows[row].measures, mean.measures);
    }
    divide(mean, count);
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

std::optional<double> ScoreTable::own_tokens(std::size_t candidate) const {
  if (candidate >= prices_.size() || prices_[candidate].rows == 0) return std::nullopt;
  return prices_[candidate].tokens / prices_[candidate].rows;
}

std::optional<double> ScoreTable::most_tokens(std::span<const std::size_t> candidates,
                                              std::size_t end) const {
  const auto longest = source_.longest();
  if (!longest) return std::nullopt;
  double most = 0;
  for (const std::size_t each : candidates) {
    const auto answers = static_cast<double>(requests(each, of(each).size(), end).size());
    most +=
        std::max(0.0, answers * static_cast<double>(*longest) - static_cast<double>(prepaid(each)));
  }
  return most;
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

std::vector<double> score_values(std::span<const PromptScore> scores, MeasurePick measure) {
  std::vector<double> values;
  values.reserve(scores.size());
  for (const PromptScore& each : scores) values.push_back(measure.of(each));
  return values;
}

std::vector<double> paired_differences(std::span<const PromptScore> scores,
                                       std::span<const PromptScore> baseline, MeasurePick measure) {
  std::vector<double> differences;
  const std::size_t common = std::min(scores.size(), baseline.size());
  for (std::size_t i = 0; i < common; ++i) {
    differences.push_back(measure.of(scores[i]) - measure.of(baseline[i]));
  }
  return differences;
}

}  // namespace expo
