#include "expo/generation/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/philox.h"

namespace expo {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Error broken_logits(std::span<const float> logits) {
  const auto at = std::ranges::find_if(logits, [](float logit) { return !(logit < kInfinity); });
  return input_error(
      fmt::format("the logits hold {} at token {}: the model's weights or the arithmetic are "
                  "broken; try float32, or a smaller α",
                  std::isnan(*at) ? "a NaN" : "+inf", at - logits.begin()));
}

/// Returns the highest logit; throws if the logits define no distribution. It keeps eight maxima
/// side by side, because a single one would have to wait for each comparison.
float highest_logit(std::span<const float> logits) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> highest;
  highest.fill(-kInfinity);
  bool sound = true;
  std::size_t token = 0;
  for (; token + kLanes <= logits.size(); token += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[token + lane];
      highest[lane] = logit > highest[lane] ? logit : highest[lane];
      sound &= logit < kInfinity;
    }
  }
  for (; token < logits.size(); ++token) {
    highest[0] = std::max(highest[0], logits[token]);
    sound &= logits[token] < kInfinity;
  }
  if (!sound) throw broken_logits(logits);
  const float result = *std::ranges::max_element(highest);
  if (result == -kInfinity) {
    throw input_error(
        "all logits are -inf, so that there is no token to draw: the model's weights or the "
        "arithmetic are broken; try float32, or a smaller α");
  }
  return result;
}

float penalised(float logit, std::uint32_t outputs, const SamplingOptions& options) {
  // A token that is ruled out stays so, and broken logits must remain recognisable.
  if (!std::isfinite(logit)) return logit;
  double value = logit;
  value = value > 0 ? value / options.repetition_penalty : value * options.repetition_penalty;
  value -= options.frequency_penalty * outputs;
  if (outputs > 0) value -= options.presence_penalty;
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kLargest, kLargest));
}

}  // namespace

TokenCounts::TokenCounts(std::span<const TokenId> prompt) {
  for (const TokenId token : prompt) entry(token);
}

void TokenCounts::add_output(TokenId token) {
  ++entry(token).outputs;
}

TokenCounts::Entry& TokenCounts::entry(TokenId token) {
  const auto [place, added] = places_.try_emplace(token, entries_.size());
  if (added) entries_.push_back({token, 0});
  return entries_[place->second];
}

double uniform_draw(std::uint64_t seed, const DrawKey& key) noexcept {
  const auto words =
      RandomStream(seed, key.prompt).block(std::uint64_t{key.sample} << 32 | key.step);
  const std::uint64_t bits = std::uint64_t{words[1]} << 32 | words[0];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

Sampler::Sampler(SamplingOptions options, std::size_t vocabulary)
    : options_(options), vocabulary_(vocabulary) {
  check(options_);
  constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 32;
  if (vocabulary == 0 || vocabulary > kMostTokens) {
    throw usage_error(
        fmt::format("the vocabulary has {} tokens; expected 1 to {}", vocabulary, kMostTokens));
  }
}

Draw Sampler::draw(std::span<float> logits, const TokenCounts& counts, const DrawKey& key) {
  if (logits.size() != vocabulary_) {
    throw usage_error(fmt::format("there are {} logits for a vocabulary of {} tokens",
                                  logits.size(), vocabulary_));
  }
  apply_penalties(logits, counts);
  const float highest = highest_logit(logits);
  if (options_.temperature == 0) {
    const auto first = std::ranges::find(logits, highest);
    return {static_cast<TokenId>(first - logits.begin()), 0};
  }
  collect_candidates(logits, highest, top_k_floor(logits));
  if (options_.top_p < 1) keep_top_p();
  return pick(uniform_draw(options_.seed, key));
}

void Sampler::apply_penalties(std::span<float> logits, const TokenCounts& counts) const {
  if (options_.repetition_penalty == 1 && options_.frequency_penalty == 0 &&
      options_.presence_penalty == 0) {
    return;
  }
  for (const auto& [token, outputs] : counts.entries()) {
    if (token >= logits.size()) {
      throw usage_error(fmt::format("token {} was counted, but the vocabulary has only {} tokens",
                                    token, logits.size()));
    }
    logits[token] = penalised(logits[token], outputs, options_);
  }
}

/// The k-th highest logit, or −∞ if all tokens stay.
float Sampler::top_k_floor(std::span<const float> logits) {
  if (options_.top_k <= 0 || std::cmp_greater_equal(options_.top_k, logits.size()))
    return -kInfinity;
  const auto k = static_cast<std::size_t>(options_.top_k);
  // Logits that may be among the k highest are collected until there are too many, which raises the
  // floor: soon nearly all others drop out after one comparison.
  const std::size_t limit = k + std::max<std::size_t>(k, 1024);
  const auto kth = static_cast<std::ptrdiff_t>(k - 1);
  float floor = -kInfinity;
  const auto raise_floor = [&] {
    std::nth_element(largest_.begin(), largest_.begin() + kth, largest_.end(), std::greater<>());
    largest_.resize(k);
    floor = largest_.back();
  };
  largest_.clear();
  for (const float logit : logits) {
    // Logits equal to the floor are skipped: k logits of at least that height have been collected
    // already.
    if (!(logit > floor)) continue;
    largest_.push_back(logit);
    if (largest_.size() == limit) raise_floor();
  }
  if (largest_.size() >= k) raise_floor();
  return floor;
}

void Sampler::collect_candidates(std::span<const float> logits, float highest, float floor) {
  candidates_.clear();
  total_ = 0;
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const float logit = logits[token];
    if (logit < floor) continue;
    const double weight = std::exp((double{logit} - double{highest}) / options_.temperature);
    // The highest logit has the weight 1, so the weights can be compared with min_p directly.
    if (weight < options_.min_p || weight == 0) continue;
    candidates_.push_back({weight, logit, static_cast<TokenId>(token)});
    total_ += weight;
  }
}

bool Sampler::comes_first(const Candidate& left, const Candidate& right) noexcept {
  return left.logit != right.logit ? left.logit > right.logit : left.token < right.token;
}

/// Finds the last candidate that stays by bisection, so that nothing needs to be sorted; it costs
/// about two passes of nth_element.
void Sampler::keep_top_p() {
  const double wanted = options_.top_p * total_;
  // All candidates below this weight together weigh less than 1 − top_p of the total, so that top_p
  // is reached without them, with some margin for the rounding of the sums.
  const double negligible =
      (1 - options_.top_p) * total_ / static_cast<double>(candidates_.size()) * (1 - 1e-9);
  ranking_.clear();
  std::ranges::copy_if(candidates_, std::back_inserter(ranking_),
                       [&](const Candidate& one) { return one.weight >= negligible; });
  const auto add = [](double sum, const Candidate& one) { return sum + one.weight; };
  // The candidates before `first` weigh `before`, less than wanted; the last one to stay is in
  // [first, last).
  double before = 0;
  auto first = ranking_.begin();
  auto last = ranking_.end();
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, comes_first);
    const double with_half = std::accumulate(first, middle, before, add);
    if (with_half >= wanted) {
      last = middle;
    } else {
      before = with_half;
      first = middle;
    }
  }
  const Candidate edge = *first;
  std::erase_if(candidates_, [&](const Candidate& one) { return comes_first(edge, one); });
  total_ = std::accumulate(candidates_.begin(), candidates_.end(), 0.0, add);
}

Draw Sampler::pick(double uniform) const {
  // The target is below total_, which the same sum reaches in the end: (1 − 2⁻⁵³) · x rounds to
  // less than x. And no candidate has the weight 0.
  const double target = uniform * total_;
  double sum = 0;
  const auto drawn = std::ranges::find_if(
      candidates_, [&](const Candidate& one) { return (sum += one.weight) > target; });
  return {drawn->token, std::log(drawn->weight / total_)};
}

}  // namespace expo
