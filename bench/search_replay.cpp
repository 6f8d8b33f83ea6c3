// Replays the strategies of a search on simulations with a known truth, or on a recording of a real
// run whose prompts are drawn anew for each seed. Regret is the true mean of the best candidate
// minus that of the chosen one, as a share of what the best gains over α = 0 (where it gains
// nothing, of a gain of 0.09).

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/search/confirmation.h"
#include "expo/search/source/recording.h"
#include "expo/search/source/resampled_source.h"
#include "expo/search/source/simulator.h"
#include "expo/search/strategies.h"
#include "replay_parts.h"

namespace {

using namespace expo;

struct Settings {
  std::vector<std::string> scenarios;
  std::string recording;
  std::size_t family = 0;
  std::string record;
  std::size_t seeds = 200;
  std::uint64_t first_seed = 1;
  std::size_t prompts = 400;
  std::vector<double> budgets{0.1, 0.25, 0.5};
  double confirm_share = 1.0 / 3;
  bool refine = true;
  bool screen = true;
  bool confirms = true;
  bool rivals_apart = false;
};

/// A source for each seed, with its truth.
class World {
 public:
  virtual ~World() = default;
  virtual std::unique_ptr<ScoreSource> source(std::uint64_t seed) = 0;
  virtual double truth(const Candidate& candidate, std::size_t number) = 0;
  virtual double best() = 0;
};

/// A simulation in which no answer ends above some α, before a limit that is far away.
class EndlessSource final : public ScoreSource {
 public:
  static constexpr double kLastThatEnds = 4;
  static constexpr std::uint64_t kLimit = 2048;

  EndlessSource(Simulation simulation, std::uint64_t seed)
      : simulator_(with_limit(simulation), kAlphas, seed) {}

  const std::vector<Candidate>& candidates() const override { return simulator_.candidates(); }
  std::size_t prompts() const override { return simulator_.prompts(); }
  std::uint32_t samples() const override { return simulator_.samples(); }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override {
    return simulator_.candidate_at(alpha, like);
  }
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override {
    std::vector<Score> scores = simulator_.scores(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (candidates()[requests[i].candidate].alpha <= kLastThatEnds) continue;
      scores[i].tokens = kLimit;
      scores[i].length = 4 * static_cast<double>(kLimit);
      scores[i].ending = Ending::length;
    }
    return scores;
  }

 private:
  static Simulation with_limit(Simulation simulation) {
    simulation.limit = kLimit;
    return simulation;
  }

  Simulator simulator_;
};

class SimulatedWorld final : public World {
 public:
  SimulatedWorld(const std::string& name, std::size_t prompts) {
    is_endless_ = name == "endless";
    simulation_.prompts = prompts;
    simulation_.truth = &truth_named(name == "very-noisy" || name == "heavy-tails" ? "one-peak"
                                     : is_endless_                                 ? "cliff"
                                                                                   : name);
    if (name == "heavy-tails") simulation_.kind = ScoreKind::heavy_tails;
    if (name == "very-noisy") {
      simulation_.kind = ScoreKind::normal;
      simulation_.deviation = 1.2;
    }
  }
  std::unique_ptr<ScoreSource> source(std::uint64_t seed) override {
    if (is_endless_) return std::make_unique<EndlessSource>(simulation_, seed);
    return std::make_unique<Simulator>(simulation_, kAlphas, seed);
  }
  double truth(const Candidate& candidate, std::size_t) override {
    return simulation_.truth->mean(candidate.alpha);
  }
  double best() override { return simulation_.truth->best(25); }

 private:
  Simulation simulation_;
  bool is_endless_ = false;
};

bool has_control(const Recording& recording, std::size_t family) {
  return std::ranges::any_of(recording.candidates(), [&](const Candidate& each) {
    return each.family == family && each.alpha == -1;
  });
}

/// The candidates of one family; a family without a control gets that of the others.
Recording only_family(Recording& all, std::size_t family) {
  const bool lacks_control = !has_control(all, family);
  std::vector<std::size_t> kept;
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < all.candidates().size(); ++i) {
    const Candidate& each = all.candidates()[i];
    if (each.family != family && !(lacks_control && each.alpha == -1)) continue;
    kept.push_back(i);
    candidates.push_back(each);
    candidates.back().family = family;
  }
  Recording one(candidates, all.prompt_names(), all.samples());
  for (std::size_t candidate = 0; candidate < kept.size(); ++candidate) {
    for (std::size_t prompt = 0; prompt < all.prompts(); ++prompt) {
      for (std::uint32_t sample = 0; sample < all.samples(); ++sample) {
        const ScoreRequest asked{kept[candidate], prompt, sample};
        one.set({candidate, prompt, sample}, all.scores(std::span(&asked, 1)).front());
      }
    }
  }
  return one;
}

Recording read_family(const std::string& path, std::size_t family) {
  Recording all = Recording::read(posix_filesystem(), path);
  return only_family(all, family);
}

class RecordedWorld final : public World {
 public:
  RecordedWorld(const Settings& settings, bool without_gain)
      : recording_(read_family(settings.recording, settings.family)), without_gain_(without_gain) {
    for (std::size_t i = 0; i < recording_.candidates().size(); ++i) truths_.push_back(mean(i));
  }
  std::unique_ptr<ScoreSource> source(std::uint64_t seed) override {
    return std::make_unique<ResampledSource>(recording_, seed, without_gain_);
  }
  double truth(const Candidate& candidate, std::size_t number) override {
    return without_gain_ && candidate.alpha >= 0 ? 0 : truths_.at(number);
  }
  double best() override {
    double best = -INFINITY;
    for (std::size_t i = 0; i < truths_.size(); ++i) {
      const Candidate& candidate = recording_.candidates()[i];
      if (candidate.alpha >= 0) best = std::max(best, truth(candidate, i));
    }
    return best;
  }

 private:
  double mean(std::size_t candidate) {
    std::vector<std::size_t> prompts(recording_.prompts());
    for (std::size_t i = 0; i < prompts.size(); ++i) prompts[i] = i;
    ScoreTable table(recording_, prompts);
    table.ask(std::vector{candidate}, prompts.size());
    return summarize(score_values(table.of(candidate))).mean;
  }

  Recording recording_;
  bool without_gain_;
  std::vector<double> truths_;
};

/// What one strategy did at one budget, over all seeds.
struct Tally {
  std::vector<double> regrets;
  std::vector<double> spent;  ///< as a share of the budget
  std::size_t gains = 0;      ///< verdicts
  std::size_t false_gains = 0;
  std::size_t undecided = 0;
};

void add_regret(World& world, const ScoreSource& source, std::size_t chosen, Tally& tally) {
  const std::size_t zero = number_of(source, 0);
  const double base = world.truth(source.candidates()[zero], zero);
  const double best = world.best();
  const double gain = best - base > 1e-9 ? best - base : kNominalGain;
  tally.regrets.push_back((best - world.truth(source.candidates()[chosen], chosen)) / gain);
}

void run_once(World& world, Strategy strategy, double budget, std::uint64_t full,
              std::uint64_t seed, const Settings& settings, Tally& tally) {
  const auto source = world.source(seed);
  const PromptSplit split = split_of(*source, seed);
  const auto tokens = static_cast<std::uint64_t>(budget * static_cast<double>(full));
  const double share = settings.confirm_share;
  const bool apart = strategy == Strategy::race || settings.rivals_apart;
  ScoreTable choosing(*source, split.choosing, apart ? SampleOrder::apart : SampleOrder::together);
  SearchOptions options;
  options.baseline = number_of(*source, 0);
  options.control = number_of(*source, -1);
  options.refine = settings.refine;
  options.screen = settings.screen;
  options.tokens = static_cast<std::uint64_t>((1 - share) * static_cast<double>(tokens));
  const Choice choice = choose_alone(strategy, choosing, options);
  add_regret(world, *source, choice.chosen, tally);
  tally.spent.push_back(static_cast<double>(choice.tokens) / static_cast<double>(tokens));
  if (!settings.confirms) return;
  ScoreTable confirming(*source, split.confirming);
  ConfirmationOptions confirmation;
  confirmation.baseline = confirmation.aligned.emplace(options.baseline);
  confirmation.control = options.control;
  confirmation.tokens = tokens - std::min(tokens, choice.tokens);
  confirmation.seed = seed;
  const Confirmation confirmed = confirm(confirming, choice.chosen, confirmation);
  tally.spent.back() =
      static_cast<double>(choice.tokens + confirmed.tokens) / static_cast<double>(tokens);
  if (confirmed.verdict == Verdict::undecided) ++tally.undecided;
  if (confirmed.verdict != Verdict::gain) return;
  ++tally.gains;
  const double base = world.truth(source->candidates()[options.baseline], options.baseline);
  const double truth = world.truth(source->candidates()[choice.chosen], choice.chosen);
  if (truth <= base + 1e-12) ++tally.false_gains;
}

/// The grid on all prompts, none kept for a confirmation.
void run_full(World& world, std::uint64_t seed, std::size_t end, Tally& tally) {
  const auto source = world.source(seed);
  ScoreTable table(*source, all_of(end));
  SearchOptions options;
  options.baseline = number_of(*source, 0);
  add_regret(world, *source, choose_by_grid(table, options).chosen, tally);
}

void print(const std::string& scenario, const std::string& budget, const std::string& strategy,
           const Tally& tally) {
  const Summary regret = summarize(tally.regrets);
  const auto n = static_cast<double>(tally.regrets.size());
  const auto percent = [&](std::size_t count) { return 100 * static_cast<double>(count) / n; };
  fmt::print("| {} | {} | {} | {:.3f} ± {:.3f} |", scenario, budget, strategy, regret.mean,
             regret.standard_error);
  if (tally.spent.empty()) {
    fmt::print(" | | | |\n");
  } else {
    fmt::print(" {:.3f} | {:.1f} % | {:.1f} % | {:.1f} % |\n", summarize(tally.spent).mean,
               percent(tally.gains), percent(tally.false_gains), percent(tally.undecided));
  }
}

void replay(const std::string& scenario, World& world, const Settings& settings) {
  constexpr Strategy kStrategies[]{Strategy::grid, Strategy::halving, Strategy::race};
  const std::vector<std::string> names{"grid", "halving", "race"};
  std::vector<std::vector<Tally>> tallies(settings.budgets.size(), std::vector<Tally>(3));
  Tally full;
  Tally half;
  for (std::uint64_t seed = settings.first_seed; seed < settings.first_seed + settings.seeds;
       ++seed) {
    const std::uint64_t price = full_price(*world.source(seed));
    const std::size_t prompts = world.source(seed)->prompts();
    run_full(world, seed, prompts, full);
    run_full(world, seed, prompts / 2, half);
    for (std::size_t b = 0; b < settings.budgets.size(); ++b) {
      for (std::size_t s = 0; s < 3; ++s) {
        run_once(world, kStrategies[s], settings.budgets[b], price, seed, settings, tallies[b][s]);
      }
    }
  }
  print(scenario, "100 %", "grid on all prompts", full);
  print(scenario, "50 %", "grid on half of them", half);
  for (std::size_t b = 0; b < settings.budgets.size(); ++b) {
    for (std::size_t s = 0; s < 3; ++s) {
      print(scenario, fmt::format("{:g} %", 100 * settings.budgets[b]), names[s], tallies[b][s]);
    }
  }
}

std::unique_ptr<World> world_of(const std::string& scenario, const Settings& settings) {
  if (scenario == "recording") return std::make_unique<RecordedWorld>(settings, false);
  if (scenario == "recording-without-gain") {
    return std::make_unique<RecordedWorld>(settings, true);
  }
  return std::make_unique<SimulatedWorld>(scenario, settings.prompts);
}

/// Writes a simulation as a recording, as an example of the format.
void record(World& world, const std::string& path) {
  const auto source = world.source(1);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < source->prompts(); ++i) names.push_back(fmt::format("{}", i));
  Recording recording(source->candidates(), names, source->samples());
  for (std::size_t candidate = 0; candidate < source->candidates().size(); ++candidate) {
    for (std::size_t prompt = 0; prompt < names.size(); ++prompt) {
      for (std::uint32_t sample = 0; sample < source->samples(); ++sample) {
        const ScoreRequest request{candidate, prompt, sample};
        recording.set(request, source->scores(std::span(&request, 1)).front());
      }
    }
  }
  std::ofstream(path) << recording.text();
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Replays the strategies of a search for α.");
  app.add_option("scenario", settings.scenarios,
                 "simulated truths, or recording and recording-without-gain");
  app.add_option("--recording", settings.recording, "the file of a recording");
  app.add_option("--family", settings.family, "of the recording's candidates");
  app.add_option("--record", settings.record, "only write the first simulation to this file");
  app.add_option("--seeds", settings.seeds);
  app.add_option("--first-seed", settings.first_seed);
  app.add_option("--prompts", settings.prompts, "of a simulation");
  app.add_option("--budgets", settings.budgets,
                 "shares of the full grid's tokens, confirmation included")
      ->delimiter(',');
  app.add_option("--confirm-share", settings.confirm_share, "of the budget");
  app.add_flag("!--no-refine", settings.refine, "the race keeps to the given α");
  app.add_flag("!--no-screen", settings.screen, "race and halving drop no α before it is scored");
  app.add_flag("--rivals-apart", settings.rivals_apart,
               "grid and halving ask for samples apart, as the race does");
  app.add_flag("!--no-confirm", settings.confirms, "only chooses");
  CLI11_PARSE(app, argc, argv);
  if (settings.scenarios.empty()) {
    for (const std::string_view name : truth_names()) settings.scenarios.emplace_back(name);
    settings.scenarios.insert(settings.scenarios.end(), {"very-noisy", "heavy-tails"});
  }
  try {
    if (!settings.record.empty()) {
      record(*world_of(settings.scenarios.front(), settings), settings.record);
      return 0;
    }
    fmt::print(
        "| truth | budget | strategy | regret | spent | gain | false gain | undecided "
        "|\n|---|---|---|---|---|---|---|---|\n");
    for (const std::string& scenario : settings.scenarios) {
      replay(scenario, *world_of(scenario, settings), settings);
    }
  } catch (const Error& error) {
    fmt::print(stderr, "search_replay: {}\n", error.what());
    return exit_code(error.category());
  }
  return 0;
}
