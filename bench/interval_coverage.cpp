// Measures how often the intervals of the sign-flip test hold the true mean, and how often the test
// claims a gain that does not exist, for paired differences of several shapes.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "expo/core/philox.h"
#include "expo/search/statistics/distributions.h"
#include "expo/search/statistics/sign_flip.h"
#include "expo/search/statistics/summary.h"

namespace {

using expo::RandomStream;

/// A shape of differences with its true mean.
struct Shape {
  std::string name;
  double mean;
  std::function<double(const RandomStream&)> draw;
};

double normal(const RandomStream& stream, std::uint64_t index) {
  return stream.normal_pair(index).first;
}

/// The mean of two differences between 0/1 scores, of which a prompt's own chance is a part.
double binary_difference(const RandomStream& stream, double chance, double other) {
  const double prompt = 0.5 * normal(stream, 0);
  double sum = 0;
  for (std::uint64_t sample = 0; sample < 2; ++sample) {
    const double first = prompt + std::sqrt(0.75) * normal(stream, 1 + 2 * sample);
    const double second = prompt + std::sqrt(0.75) * normal(stream, 2 + 2 * sample);
    sum += (expo::normal_cdf(first) < chance ? 1 : 0) - (expo::normal_cdf(second) < other ? 1 : 0);
  }
  return sum / 2;
}

std::vector<Shape> shapes() {
  const auto exponential = [](const RandomStream& s) { return -std::log1p(-s.unit_interval(0)); };
  const auto student = [](const RandomStream& s) {
    const double scale =
        normal(s, 1) * normal(s, 1) + normal(s, 2) * normal(s, 2) + normal(s, 3) * normal(s, 3);
    return normal(s, 0) / std::sqrt(scale / 3);
  };
  return {
      {"normal", 0.3, [](const RandomStream& s) { return 0.3 + normal(s, 0); }},
      {"skewed: exponential − 1", 0, [=](const RandomStream& s) { return exponential(s) - 1; }},
      {"skewed: 1 − exponential", 0, [=](const RandomStream& s) { return 1 - exponential(s); }},
      {"difference of log-normals", 0,
       [](const RandomStream& s) { return std::exp(normal(s, 0)) - std::exp(normal(s, 1)); }},
      {"heavy tails: Student's t, 3", 0, student},
      {"0/1, two samples, no gain", 0,
       [](const RandomStream& s) { return binary_difference(s, 0.5, 0.5); }},
      {"0/1, two samples, gain 0.09", 0.09,
       [](const RandomStream& s) { return binary_difference(s, 0.57, 0.48); }},
      {"0/1, two samples, rare, gain 0.04", 0.04,
       [](const RandomStream& s) { return binary_difference(s, 0.06, 0.02); }},
  };
}

struct Counts {
  int inside_90 = 0;
  int inside_95 = 0;
  int below = 0;  ///< the true mean is below the interval of 90 %
  int above = 0;
  int claims = 0;  ///< p ≤ 0.05 for "the mean is at most the true one"
  int said = 0;    ///< of these, the ones that a confirmation would say in spite of the skewness
};

Counts measure(const Shape& shape, std::size_t prompts, int runs, std::size_t draws) {
  Counts counts;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> differences;
    for (std::size_t i = 0; i < prompts; ++i) {
      differences.push_back(shape.draw(RandomStream(static_cast<std::uint64_t>(run) + 1, i)));
    }
    const expo::SignFlipTest test(differences, static_cast<std::uint64_t>(run), draws);
    const auto [low, high] = test.interval(0.9);
    const auto [lower, higher] = test.interval(0.95);
    counts.inside_90 += low <= shape.mean && shape.mean <= high ? 1 : 0;
    counts.inside_95 += lower <= shape.mean && shape.mean <= higher ? 1 : 0;
    counts.below += shape.mean < low ? 1 : 0;
    counts.above += shape.mean > high ? 1 : 0;
    const double p = shape.mean == 0 ? test.p_value() : test.p_value_at(shape.mean);
    counts.claims += p <= 0.05 ? 1 : 0;
    const double skewness = expo::summarize(differences).skewness;
    const bool is_exact = test.method() == expo::FlipMethod::sign_test;
    const bool is_said = is_exact || prompts >= expo::prompts_for_skewness(-skewness);
    counts.said += p <= 0.05 && is_said ? 1 : 0;
  }
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 4000;
  std::size_t draws = expo::SignFlipTest::kDraws;
  CLI::App app("Measures the coverage of the intervals of the sign-flip test.");
  app.add_option("--runs", runs);
  app.add_option("--draws", draws, "random flips");
  CLI11_PARSE(app, argc, argv);
  fmt::print(
      "| differences | prompts | in 90 % | in 95 % | below | above | rejected at 5 % | claimed "
      "|\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const Shape& shape : shapes()) {
    for (const std::size_t prompts : {std::size_t{50}, std::size_t{100}, std::size_t{400}}) {
      const Counts counts = measure(shape, prompts, runs, draws);
      const auto percent = [&](int count) { return 100.0 * count / runs; };
      fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", shape.name,
                 prompts, percent(counts.inside_90), percent(counts.inside_95),
                 percent(counts.below), percent(counts.above), percent(counts.claims),
                 percent(counts.said));
    }
  }
}
