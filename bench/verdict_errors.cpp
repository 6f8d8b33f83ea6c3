// Measures how often a confirmation says what is not so: a gain where there is none, or that there
// is no worthwhile gain where the true one is just what is wanted.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "expo/core/philox.h"
#include "expo/search/confirmation.h"
#include "expo/search/source/recording.h"
#include "expo/search/statistics/distributions.h"

namespace {

using namespace expo;

/// A prompt's mean scores at the chosen α and at α = 0.
struct Pair {
  double chosen = 0;
  double baseline = 0;
};

/// How scores are distributed, with and without a true gain.
struct Shape {
  std::string name;
  double gain;
  std::function<Pair(const RandomStream&, double gain)> draw;
};

double normal(const RandomStream& stream, std::uint64_t index) {
  return stream.normal_pair(index).first;
}

/// Means of 0/1 scores whose chance is `base` at α = 0, of which a prompt's own part is half.
std::function<Pair(const RandomStream&, double)> binary(double base, int samples) {
  return [=](const RandomStream& stream, double gain) {
    Pair sums;
    const double prompt = std::sqrt(0.5) * normal(stream, 0);
    for (int sample = 0; sample < samples; ++sample) {
      const auto [first, second] = stream.normal_pair(1 + static_cast<std::uint64_t>(sample));
      sums.chosen += normal_cdf(prompt + std::sqrt(0.5) * first) < base + gain ? 1 : 0;
      sums.baseline += normal_cdf(prompt + std::sqrt(0.5) * second) < base ? 1 : 0;
    }
    return Pair{sums.chosen / samples, sums.baseline / samples};
  };
}

/// A normal baseline to which a difference of any distribution with mean 0 is added.
std::function<Pair(const RandomStream&, double)> added(
    const std::function<double(const RandomStream&)>& difference) {
  return [=](const RandomStream& stream, double gain) {
    const double baseline = normal(stream, 9);
    return Pair{baseline + gain + difference(stream), baseline};
  };
}

std::vector<Shape> shapes() {
  const auto exponential = [](const RandomStream& s) { return -std::log1p(-s.unit_interval(0)); };
  const auto student = [](const RandomStream& s) {
    const double scale =
        std::pow(normal(s, 1), 2) + std::pow(normal(s, 2), 2) + std::pow(normal(s, 3), 2);
    return normal(s, 0) / std::sqrt(scale / 3);
  };
  // One prompt of 20 differs, by what has a long tail on one side.
  const auto rare = [=](double sign) {
    return [=](const RandomStream& s, double gain) {
      const double baseline = normal(s, 9);
      const double tail = sign * (4 * exponential(s) - 4) + 20 * gain;
      return Pair{baseline + (s.unit_interval(1) < 0.05 ? tail : 0), baseline};
    };
  };
  return {
      {"0/1, one sample", 0.09, binary(0.48, 1)},
      {"0/1, one sample, rare: 2 in 100", 0.02, binary(0.02, 1)},
      {"0/1, one sample, rare: 1 in 200", 0.01, binary(0.005, 1)},
      {"0/1, two samples", 0.09, binary(0.48, 2)},
      {"0/1, two samples, rare: 2 in 100", 0.02, binary(0.02, 2)},
      {"normal", 0.2, added([](const RandomStream& s) { return normal(s, 0); })},
      {"skewed: exponential − 1", 0.2,
       added([=](const RandomStream& s) { return exponential(s) - 1; })},
      {"skewed: 1 − exponential", 0.2,
       added([=](const RandomStream& s) { return 1 - exponential(s); })},
      {"heavy tails: Student's t, 3", 0.2, added(student)},
      {"0 in 95 of 100, else 4 (exponential − 1)", 0.1, rare(1)},
      {"0 in 95 of 100, else 4 (1 − exponential)", 0.1, rare(-1)},
  };
}

Verdict verdict_of(const Shape& shape, std::size_t prompts, std::uint64_t seed, double gain) {
  Recording recording({{0, "α = 0", 0}, {1, "α = 1", 0}}, std::vector<std::string>(prompts), 1);
  for (std::size_t prompt = 0; prompt < prompts; ++prompt) {
    const Pair pair = shape.draw(RandomStream(seed, prompt), gain);
    recording.set({0, prompt, 0}, {pair.baseline});
    recording.set({1, prompt, 0}, {pair.chosen});
  }
  std::vector<std::size_t> all(prompts);
  std::iota(all.begin(), all.end(), std::size_t{0});
  ScoreTable table(recording, all);
  ConfirmationOptions options;
  options.min_gain = gain;
  options.seed = seed;
  return confirm(table, 1, options).verdict;
}

/// The share of the runs, in percent, that end in the verdict.
double percent(const Shape& shape, std::size_t prompts, int runs, double gain, Verdict verdict) {
  int count = 0;
  for (int run = 1; run <= runs; ++run) {
    const Verdict found = verdict_of(shape, prompts, static_cast<std::uint64_t>(run), gain);
    count += found == verdict ? 1 : 0;
  }
  return 100.0 * count / runs;
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 4000;
  std::string part;
  CLI::App app("Measures how often a confirmation errs.");
  app.add_option("--runs", runs);
  app.add_option("--scores", part, "only those with this in their name");
  CLI11_PARSE(app, argc, argv);
  fmt::print(
      "| scores | prompts | a gain is claimed where there is none | a true gain of | is said to be "
      "not worthwhile |\n|---|---|---|---|---|\n");
  for (const Shape& shape : shapes()) {
    if (shape.name.find(part) == std::string::npos) continue;
    for (const std::size_t prompts :
         {std::size_t{20}, std::size_t{50}, std::size_t{100}, std::size_t{400}}) {
      fmt::print("| {} | {} | {:.1f} % | {:g} | {:.1f} % |\n", shape.name, prompts,
                 percent(shape, prompts, runs, 0, Verdict::gain), shape.gain,
                 percent(shape, prompts, runs, shape.gain, Verdict::no_worthwhile_gain));
    }
  }
}
