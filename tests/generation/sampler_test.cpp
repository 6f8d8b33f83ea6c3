#include "expo/generation/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/philox.h"
#include "support/refusal.h"

namespace expo {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
/// The seeds are fixed, so the outcome never changes.
constexpr double kSignificance = 1e-4;

// P(a, x), the regularised lower incomplete gamma function, computed by its series, for x < a + 1.
double lower_gamma(double a, double x) {
  double term = 1 / a;
  double sum = term;
  for (double n = a + 1; term > sum * 1e-16; ++n) sum += term *= x / n;
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// Q(a, x) = 1 − P(a, x), computed by Lentz's continued fraction, for x ≥ a + 1.
double upper_gamma(double a, double x) {
  double b = x + 1 - a;
  double c = 1e300;
  double d = 1 / b;
  double fraction = d;
  double factor = 0;
  for (int n = 1; n < 10000 && std::abs(factor - 1) > 1e-15; ++n) {
    const double numerator = -n * (n - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    factor = d * c;
    fraction *= factor;
  }
  return fraction * std::exp(a * std::log(x) - x - std::lgamma(a));
}

double chi_square_p_value(double statistic, double degrees) {
  const double a = degrees / 2;
  const double x = statistic / 2;
  if (x <= 0) return 1;
  return x < a + 1 ? 1 - lower_gamma(a, x) : upper_gamma(a, x);
}

// The p-value of Pearson's test. Bins with fewer than five expected draws are merged into one.
double p_value(const std::vector<double>& probabilities, const std::vector<int>& observed) {
  const double draws = std::accumulate(observed.begin(), observed.end(), 0.0);
  double statistic = 0;
  double degrees = -1;
  double rare = 0;
  double rarely = 0;
  const auto add = [&](double expected, double seen) {
    statistic += (seen - expected) * (seen - expected) / expected;
    ++degrees;
  };
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const double expected = probabilities[i] * draws;
    if (expected >= 5) {
      add(expected, observed[i]);
    } else {
      rare += expected;
      rarely += observed[i];
    }
  }
  if (rare > 0) add(rare, rarely);
  return degrees > 0 ? chi_square_p_value(statistic, degrees) : 1;
}

TEST(ChiSquare, GivesTabulatedValues) {
  EXPECT_NEAR(chi_square_p_value(3.841459, 1), 0.05, 1e-7);
  EXPECT_NEAR(chi_square_p_value(18.307038, 10), 0.05, 1e-7);
  EXPECT_NEAR(chi_square_p_value(124.342113, 100), 0.05, 1e-7);
  EXPECT_NEAR(chi_square_p_value(2.705543, 1), 0.1, 1e-7);
  EXPECT_NEAR(chi_square_p_value(3.940299, 10), 0.95, 1e-7);
}

// The test detects a wrong distribution: three in a hundred of one token's draws are moved to
// another.
TEST(ChiSquare, TellsDistributionsApart) {
  const std::vector<double> quarters(4, 0.25);
  EXPECT_LT(p_value(quarters, {24250, 25750, 25000, 25000}), kSignificance);
  EXPECT_GT(p_value(quarters, {24900, 25100, 25000, 25000}), 0.1);
}

void drop_below(std::vector<double>& values, double floor) {
  for (double& value : values) {
    if (value < floor) value = -std::numeric_limits<double>::infinity();
  }
}

std::vector<double> softmax(std::vector<double> values) {
  const double highest = *std::ranges::max_element(values);
  double total = 0;
  for (double& value : values) total += value = std::exp(value - highest);
  for (double& value : values) value /= total;
  return values;
}

void keep_top_p(std::vector<double>& logits, double top_p) {
  const auto probabilities = softmax(logits);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](auto i, auto j) { return logits[i] > logits[j]; });
  double before = 0;
  for (const std::size_t token : order) {
    if (before >= top_p) logits[token] = -std::numeric_limits<double>::infinity();
    before += probabilities[token];
  }
}

/// The definition in its plainest form: everything sorted, everything in float64.
std::vector<double> expected_distribution(const std::vector<float>& raw,
                                          const std::vector<TokenId>& prompt,
                                          const std::vector<TokenId>& output,
                                          const SamplingOptions& options) {
  std::vector<double> logits(raw.begin(), raw.end());
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const auto in_output = std::ranges::count(output, token);
    if (in_output + std::ranges::count(prompt, token) > 0) {
      const double r = options.repetition_penalty;
      logits[token] = logits[token] > 0 ? logits[token] / r : logits[token] * r;
    }
    logits[token] -= options.frequency_penalty * static_cast<double>(in_output);
    if (in_output > 0) logits[token] -= options.presence_penalty;
  }
  for (double& logit : logits) logit /= options.temperature;
  if (options.min_p > 0) {
    drop_below(logits, *std::ranges::max_element(logits) + std::log(options.min_p));
  }
  const auto k = static_cast<std::size_t>(std::max<std::int64_t>(options.top_k, 0));
  if (k > 0 && k < logits.size()) {
    auto sorted = logits;
    std::ranges::sort(sorted, std::greater<>());
    drop_below(logits, sorted[k - 1]);
  }
  if (options.top_p < 1) keep_top_p(logits, options.top_p);
  return softmax(logits);
}

std::vector<float> normal_logits(std::size_t count, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(count);
  for (float& logit : logits) logit = deviation * normal(random);
  return logits;
}

TokenCounts counts_of(const std::vector<TokenId>& prompt, const std::vector<TokenId>& output) {
  TokenCounts counts(prompt);
  for (const TokenId token : output) counts.add_output(token);
  return counts;
}

TokenId draw(const SamplingOptions& options, std::vector<float> logits, const DrawKey& key = {},
             const TokenCounts& counts = TokenCounts()) {
  return Sampler(options, logits.size()).draw(logits, counts, key).token;
}

struct Case {
  std::string name;
  SamplingOptions options;
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.name;
}

class Distribution : public testing::TestWithParam<Case> {};

// The logits include a token that is ruled out, a pair of equals, and both signs among the
// penalised.
TEST_P(Distribution, IsTheOneThatTheOptionsDefine) {
  SamplingOptions options = GetParam().options;
  options.seed = 20240607;
  RecordProperty("seed", std::to_string(options.seed));
  SCOPED_TRACE("seed " + std::to_string(options.seed));
  auto logits = normal_logits(24, 1.5F, 5);
  logits[7] = -kInfinity;
  logits[11] = logits[3];
  const std::vector<TokenId> prompt{0, 1, 2, 3, 2, 5, 7};
  const std::vector<TokenId> output{2, 9, 9, 9, 14, 15, 16, 16};
  const auto counts = counts_of(prompt, output);
  const auto expected = expected_distribution(logits, prompt, output, options);
  Sampler sampler(options, logits.size());
  std::vector<int> observed(logits.size());
  for (std::uint32_t step = 0; step < 100'000; ++step) {
    auto scratch = logits;
    const Draw drawn = sampler.draw(scratch, counts, {.prompt = 1, .sample = 2, .step = step});
    ++observed[drawn.token];
    ASSERT_NEAR(drawn.log_probability, std::log(expected[drawn.token]), 1e-5);
  }
  for (std::size_t token = 0; token < logits.size(); ++token) {
    if (expected[token] == 0) {
      EXPECT_EQ(observed[token], 0) << token;
    }
  }
  EXPECT_GT(p_value(expected, observed), kSignificance);
}

INSTANTIATE_TEST_SUITE_P(
    Options, Distribution,
    testing::Values(Case{"temperature1", {.temperature = 1}},
                    Case{"temperature0_3", {.temperature = 0.3}},
                    Case{"temperature2", {.temperature = 2}},
                    Case{"top_k", {.temperature = 1, .top_k = 5}},
                    Case{"top_k_beyond", {.temperature = 1, .top_k = 1000}},
                    Case{"top_p", {.temperature = 1, .top_p = 0.8}},
                    Case{"min_p", {.temperature = 1, .min_p = 0.15}},
                    Case{"presence", {.temperature = 1, .presence_penalty = 1.1}},
                    Case{"presence_negative", {.temperature = 1, .presence_penalty = -1.1}},
                    Case{"frequency", {.temperature = 1, .frequency_penalty = 0.6}},
                    Case{"repetition", {.temperature = 1, .repetition_penalty = 1.7}},
                    Case{"repetition_below1", {.temperature = 1, .repetition_penalty = 0.6}},
                    Case{"penalties",
                         {.temperature = 1,
                          .presence_penalty = 0.4,
                          .frequency_penalty = 0.3,
                          .repetition_penalty = 1.2}},
                    Case{"top_k_top_p", {.temperature = 1, .top_k = 12, .top_p = 0.7}},
                    Case{"min_p_top_k", {.temperature = 1.5, .top_k = 6, .min_p = 0.3}},
                    Case{"all",
                         {.temperature = 1.2,
                          .top_k = 15,
                          .top_p = 0.9,
                          .min_p = 0.05,
                          .presence_penalty = 0.4,
                          .frequency_penalty = 0.3,
                          .repetition_penalty = 1.2}}),
    [](const auto& test) { return test.param.name; });

// Checks what top-p and top-k leave of a large vocabulary, for which the sampler uses its
// shortcuts.
TEST(Sampler, KeepsWhatSortingEverythingKeeps) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    for (const float deviation : {0.0F, 0.01F, 1.0F, 4.0F}) {
      auto logits = normal_logits(6000, deviation, seed);
      // This seed has many ties.
      if (seed == 3) std::ranges::for_each(logits, [](float& one) { one = std::round(one * 4); });
      for (const std::int64_t top_k : {0, 1, 40, 1500, 5999}) {
        // No threshold coincides with a multiple of one of 6000 equal tokens, where rounding would
        // decide.
        for (const double top_p : {1e-9, 0.50003, 0.90003, 0.99903, 1.0}) {
          const SamplingOptions options{
              .temperature = 0.8, .top_k = top_k, .top_p = top_p, .seed = seed};
          const auto expected = expected_distribution(logits, {}, {}, options);
          Sampler sampler(options, logits.size());
          for (std::uint32_t step = 0; step < 20; ++step) {
            const Draw drawn = sampler.draw(logits, TokenCounts(), {.step = step});
            // A wrong set would change the sum, and with it each probability.
            ASSERT_NEAR(drawn.log_probability, std::log(expected[drawn.token]), 1e-10)
                << "deviation " << deviation << ", top_k " << top_k << ", top_p " << top_p;
          }
        }
      }
    }
  }
}

TEST(Sampler, RisingLogitsAreNoProblemForTopK) {
  std::vector<float> logits(100'000);
  std::iota(logits.begin(), logits.end(), 0.0F);
  for (float& logit : logits) logit *= 1e-5F;
  const SamplingOptions options{.temperature = 1, .top_k = 3};
  for (std::uint32_t step = 0; step < 50; ++step) {
    EXPECT_GE(draw(options, logits, {.step = step}), 99'997u);
  }
}

TEST(UniformDraw, TakesTheDocumentedBitsOfTheDocumentedBlock) {
  const auto words =
      philox4x32({0x11111111, 0x22222222, 0x44444444, 0x33333333}, {0x66666666, 0x55555555});
  const std::uint64_t bits = std::uint64_t{words[1]} << 32 | words[0];
  EXPECT_EQ(uniform_draw(0x5555555566666666,
                         {.prompt = 0x3333333344444444, .sample = 0x22222222, .step = 0x11111111}),
            static_cast<double>(bits >> 11) / 9007199254740992.0);
}

TEST(Sampler, DrawsDependOnTheKeyNotOnTheOrder) {
  const auto logits = normal_logits(50, 1, 9);
  const SamplingOptions options{.temperature = 1, .top_p = 0.95, .seed = 3};
  std::vector<DrawKey> keys;
  for (std::uint64_t prompt = 0; prompt < 5; ++prompt) {
    for (std::uint32_t sample = 0; sample < 5; ++sample) {
      for (std::uint32_t step = 0; step < 20; ++step) keys.push_back({prompt, sample, step});
    }
  }
  const auto tokens = [&](const std::vector<std::size_t>& order) {
    Sampler sampler(options, logits.size());
    std::vector<TokenId> drawn(keys.size());
    for (const std::size_t i : order) {
      auto scratch = logits;
      drawn[i] = sampler.draw(scratch, TokenCounts(), keys[i]).token;
    }
    return drawn;
  };
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  const auto forwards = tokens(order);
  std::ranges::shuffle(order, std::mt19937(4));
  EXPECT_EQ(tokens(order), forwards);
}

// Draws pairs whose keys are neighbours in one part, over eight equal tokens.
TEST(Sampler, NeighbouringDrawsAreIndependent) {
  using Key = std::pair<std::uint64_t, DrawKey>;
  const std::map<std::string, std::function<Key(std::uint32_t, std::uint32_t)>> parts{
      {"step",
       [](auto i, auto next) {
         return Key{7, {3, 1, 2 * i + next}};
       }},
      {"sample",
       [](auto i, auto next) {
         return Key{7, {3, 2 * i + next, 5}};
       }},
      {"prompt",
       [](auto i, auto next) {
         return Key{7, {2 * i + next, 1, 5}};
       }},
      {"high half of prompt",
       [](auto i, auto next) {
         return Key{7, {std::uint64_t{2 * i + next} << 32, 1, 5}};
       }},
      {"seed", [](auto i, auto next) {
         return Key{2 * i + next, {3, 1, 5}};
       }}};
  std::vector<float> logits(8);
  for (const auto& [name, key] : parts) {
    std::vector<int> pairs(64);
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      const auto token = [&](std::uint32_t next) {
        const auto [seed, at] = key(i, next);
        return draw({.temperature = 1, .seed = seed}, logits, at);
      };
      ++pairs[token(0) * 8 + token(1)];
    }
    EXPECT_GT(p_value(std::vector<double>(64, 1.0 / 64), pairs), kSignificance) << name;
  }
}

TEST(Sampler, GreedyTakesTheHighestAndTheLowestIdAmongEquals) {
  EXPECT_EQ(draw({}, {1, 3, 2, 3}), 1u);
  EXPECT_EQ(draw({}, {-5, -kInfinity, -4}), 2u);
  EXPECT_EQ(draw({.top_k = 3, .top_p = 0.1, .min_p = 1}, {0, 1, 1}), 1u);
  std::vector<float> logits(1003, -1.0F);
  for (const std::size_t highest : {1002u, 1001u, 999u, 500u, 0u}) {
    logits[highest] = 7;
    EXPECT_EQ(draw({}, logits), highest);
  }
}

TEST(Sampler, GreedyFollowsThePenalties) {
  TokenCounts counts(std::vector<TokenId>{0});
  EXPECT_EQ(draw({.repetition_penalty = 2}, {3, 2}, {}, counts), 1u);
  EXPECT_EQ(draw({.presence_penalty = 2, .frequency_penalty = 2}, {3, 2}, {}, counts), 0u);
  counts.add_output(0);
  EXPECT_EQ(draw({.presence_penalty = 1.5}, {3, 2}, {}, counts), 1u);
  EXPECT_EQ(draw({.frequency_penalty = 0.7}, {3, 2}, {}, counts), 0u);
  counts.add_output(0);
  EXPECT_EQ(draw({.frequency_penalty = 0.7}, {3, 2}, {}, counts), 1u);
}

TEST(Sampler, PenaltiesChangeTheLogitsInPlaceInVllmsOrder) {
  std::vector<float> logits{4, -4, 4, 4, -kInfinity};
  const auto counts = counts_of({0, 1, 4}, {1, 2, 2});
  Sampler sampler({.presence_penalty = 0.5, .frequency_penalty = 1, .repetition_penalty = 2}, 5);
  sampler.draw(logits, counts, {});
  EXPECT_EQ(logits, (std::vector<float>{2, -9.5, -0.5, 4, -kInfinity}));
}

TEST(Sampler, PenaltiesSaturate) {
  std::vector<float> logits{1, -1, 0};
  Sampler({.repetition_penalty = 1e-300}, 3).draw(logits, counts_of({0}, {}), {});
  EXPECT_EQ(logits[0], std::numeric_limits<float>::max());
  Sampler({.repetition_penalty = 1e300}, 3).draw(logits, counts_of({1}, {}), {});
  EXPECT_EQ(logits[1], std::numeric_limits<float>::lowest());
}

// The tokens that can be drawn at all.
std::vector<TokenId> support(const SamplingOptions& options, const std::vector<float>& logits) {
  std::vector<int> seen(logits.size());
  for (std::uint32_t step = 0; step < 2000; ++step) ++seen[draw(options, logits, {.step = step})];
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < seen.size(); ++token) {
    if (seen[token] > 0) tokens.push_back(token);
  }
  return tokens;
}

using Tokens = std::vector<TokenId>;

TEST(Sampler, TopKKeepsAllThatEqualTheKth) {
  const std::vector<float> logits{1, 2, 1, 0, 1};
  EXPECT_EQ(support({.temperature = 1, .top_k = 1}, logits), (Tokens{1}));
  EXPECT_EQ(support({.temperature = 1, .top_k = 2}, logits), (Tokens{0, 1, 2, 4}));
  EXPECT_EQ(support({.temperature = 1, .top_k = 4}, logits), (Tokens{0, 1, 2, 4}));
  EXPECT_EQ(support({.temperature = 1, .top_k = 5}, logits), (Tokens{0, 1, 2, 3, 4}));
  EXPECT_EQ(support({.temperature = 1, .top_k = -1}, logits), (Tokens{0, 1, 2, 3, 4}));
  EXPECT_EQ(support({.temperature = 1, .top_k = 3}, {-kInfinity, 0, -kInfinity, 0, -kInfinity}),
            (Tokens{1, 3}));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  const std::vector<float> alike(4);
  EXPECT_EQ(support({.temperature = 1, .top_p = 1e-300}, alike), (Tokens{0}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 0.25}, alike), (Tokens{0}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 0.26}, alike), (Tokens{0, 1}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 0.75}, alike), (Tokens{0, 1, 2}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 0.9999}, alike), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 1}, alike), (Tokens{0, 1, 2, 3}));
  // top_p applies to what top_k leaves: 0.5 of two equal tokens is one of them.
  EXPECT_EQ(support({.temperature = 1, .top_k = 2, .top_p = 0.5}, {0, 5, 5, 0}), (Tokens{1}));
  EXPECT_EQ(support({.temperature = 1, .top_p = 0.01}, {0, 1, 9, 1}), (Tokens{2}));
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  const std::vector<float> logits{0, -0.5F, -1, -2};
  EXPECT_EQ(support({.temperature = 1, .min_p = 1}, logits), (Tokens{0}));
  EXPECT_EQ(support({.temperature = 1, .min_p = 0.5}, logits), (Tokens{0, 1}));
  EXPECT_EQ(support({.temperature = 1, .min_p = 0.3}, logits), (Tokens{0, 1, 2}));
  // The temperature is applied first.
  EXPECT_EQ(support({.temperature = 2, .min_p = 0.5}, logits), (Tokens{0, 1, 2}));
  EXPECT_EQ(support({.temperature = 1, .min_p = 1}, {3, 3, 0}), (Tokens{0, 1}));
}

TEST(Sampler, TemperaturesFarOutOfTheOrdinaryWork) {
  EXPECT_EQ(support({.temperature = 1e-310}, {1, 2, 2, 1}), (Tokens{1, 2}));
  EXPECT_EQ(support({.temperature = 1e300, .top_p = 0.75}, {3e38F, -3e38F, 0, 9}),
            (Tokens{0, 2, 3}));
  EXPECT_EQ(support({.temperature = 1}, {-kInfinity, -3e38F, -kInfinity}), (Tokens{1}));
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  const auto message = [](const SamplingOptions& options) {
    return refusal(ErrorCategory::usage, [&] { check(options); });
  };
  EXPECT_EQ(message({.temperature = -0.5}),
            "temperature is -0.5; expected a finite number, at least 0 (0: greedy)");
  EXPECT_EQ(message({.top_k = -2}), "top_k is -2; expected at least 1, or 0 or -1 for all tokens");
  EXPECT_EQ(message({.top_p = 0}),
            "top_p is 0; expected greater than 0 and at most 1 (1: all tokens)");
  EXPECT_EQ(message({.min_p = 1.5}), "min_p is 1.5; expected 0 to 1 (0: all tokens)");
  EXPECT_EQ(message({.presence_penalty = -2.1}),
            "presence_penalty is -2.1; expected -2 to 2 (0: none)");
  EXPECT_EQ(message({.frequency_penalty = 3}),
            "frequency_penalty is 3; expected -2 to 2 (0: none)");
  EXPECT_EQ(message({.repetition_penalty = 0}),
            "repetition_penalty is 0; expected a finite number greater than 0 (1: none)");
  message({.top_p = 1.01});
  message({.min_p = -0.01});
  message({.repetition_penalty = -1});
}

TEST(Sampler, RefusesNaNAndInfinityInEveryOption) {
  const std::array<double SamplingOptions::*, 6> members{&SamplingOptions::temperature,
                                                         &SamplingOptions::top_p,
                                                         &SamplingOptions::min_p,
                                                         &SamplingOptions::presence_penalty,
                                                         &SamplingOptions::frequency_penalty,
                                                         &SamplingOptions::repetition_penalty};
  for (const auto member : members) {
    for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      SamplingOptions options;
      options.*member = value;
      refusal(ErrorCategory::usage, [&] { Sampler(options, 2); });
    }
  }
}

TEST(Sampler, TakesTheEndsOfTheRanges) {
  EXPECT_NO_THROW(check({}));
  EXPECT_NO_THROW(check({.temperature = 100, .top_k = -1, .top_p = 1e-300, .min_p = 1}));
  EXPECT_NO_THROW(check({.presence_penalty = -2, .frequency_penalty = 2}));
}

TEST(Sampler, RefusesBrokenLogits) {
  for (const double temperature : {0.0, 1.0}) {
    for (const std::size_t at : {0u, 5u, 8u, 18u}) {
      std::vector<float> logits(19);
      const auto message = [&](float broken) {
        logits[at] = broken;
        return refusal(ErrorCategory::input, [&] { draw({.temperature = temperature}, logits); });
      };
      const std::string rest = " at token " + std::to_string(at) +
                               ": the model's weights or the arithmetic are broken; try float32, "
                               "or a smaller α";
      EXPECT_EQ(message(kNaN), "the logits hold a NaN" + rest);
      EXPECT_EQ(message(kInfinity), "the logits hold +inf" + rest);
    }
    const std::vector<float> masked(19, -kInfinity);
    EXPECT_TRUE(refusal(ErrorCategory::input, [&] {
                  draw({.temperature = temperature}, masked);
                }).starts_with("all logits are -inf"));
  }
}

TEST(Sampler, PenaltiesDoNotHideBrokenLogits) {
  const auto counts = counts_of({0}, {0, 1});
  const SamplingOptions options{.presence_penalty = 2, .repetition_penalty = 3};
  refusal(ErrorCategory::input, [&] { draw(options, {kInfinity, 0}, {}, counts); });
  refusal(ErrorCategory::input, [&] { draw(options, {0, kNaN}, {}, counts); });
}

TEST(Sampler, RefusesWhatDoesNotFitTheVocabulary) {
  refusal(ErrorCategory::usage, [] { Sampler({}, 0); });
  refusal(ErrorCategory::usage, [] { Sampler({}, (std::size_t{1} << 32) + 1); });
  std::vector<float> logits(3);
  refusal(ErrorCategory::usage, [&] { Sampler({}, 4).draw(logits, TokenCounts(), {}); });
  refusal(ErrorCategory::usage,
          [&] { Sampler({.presence_penalty = 1}, 3).draw(logits, counts_of({3}, {}), {}); });
  EXPECT_NO_THROW(Sampler({}, 3).draw(logits, counts_of({3}, {}), {}));
}

TEST(TokenCounts, HoldsEachTokenOnce) {
  const auto counts = counts_of({5, 3, 5}, {3, 8, 3});
  const auto entries = counts.entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].token, 5u);
  EXPECT_EQ(entries[0].outputs, 0u);
  EXPECT_EQ(entries[1].token, 3u);
  EXPECT_EQ(entries[1].outputs, 2u);
  EXPECT_EQ(entries[2].token, 8u);
  EXPECT_EQ(entries[2].outputs, 1u);
  EXPECT_TRUE(TokenCounts().entries().empty());
}

TEST(TokenCounts, ACopyIsAnotherSample) {
  const TokenCounts prompt(Tokens{1, 2});
  TokenCounts sample = prompt;
  sample.add_output(2);
  EXPECT_EQ(sample.entries()[1].outputs, 1u);
  EXPECT_EQ(prompt.entries()[1].outputs, 0u);
}

}  // namespace
}  // namespace expo
