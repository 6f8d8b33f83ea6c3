// Replays searches for an α of each kind of module on simulations with a known truth. Regret is the
// true mean of the best point minus that of the chosen one, as a share of what the best gains over
// α = 0. With --serve, another program chooses the point: see bench/module_rivals.py.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/search/confirmation.h"
#include "expo/search/modules/module_budget.h"
#include "expo/search/modules/module_search.h"
#include "expo/search/source/alpha_place.h"
#include "expo/search/source/simulator.h"
#include "expo/search/spending.h"
#include "expo/search/statistics/summary.h"
#include "expo/search/strategies.h"
#include "replay_parts.h"

namespace {

using namespace expo;

constexpr double kModulesGain = 0.06;  // over the uniform line

/// Rises from α = 0 to 1 and stays there.
class Plateau final : public Truth {
 public:
  double mean(double alpha) const override {
    if (alpha < 0) return 0.48 + 0.16 * std::max(alpha, -1.0);
    return 0.48 + 0.09 * std::min(1.0, log_place(alpha) / log_place(1));
  }
};

Simulation simulation_of(const std::string& scenario) {
  static const Plateau plateau;
  Simulation simulation;
  simulation.truth = &truth_named("one-peak");
  simulation.modules.emplace();
  if (scenario == "modules") {
    simulation.modules->height = kModulesGain;
  } else if (scenario == "modules-flat") {
    simulation.truth = &plateau;
  } else if (scenario != "modules-none") {
    throw usage_error(fmt::format(
        "no scenario is named '{}'; there are modules, modules-none and modules-flat", scenario));
  }
  return simulation;
}

enum class Way { uniform, modules, rival };

/// One search in a simulation of one seed.
class Replay {
 public:
  Replay(const std::string& scenario, std::uint64_t seed, double budget, Way way)
      : simulation_(simulation_of(scenario)),
        seed_(seed),
        source_(simulation_, kAlphas, seed),
        split_(split_of(source_, seed)),
        choosing_(source_, split_.choosing, SampleOrder::apart),
        confirming_(source_, split_.confirming),
        way_(way) {
    tokens_ = static_cast<std::uint64_t>(budget * static_cast<double>(full_price(source_)));
    baseline_ = number_of(source_, 0);
    choose_uniform();
  }

  void search_modules() { chosen_ = choose_modules(choosing_, start_, options()).chosen; }

  /// The first test, and the second one if the first holds and a point other than the start was
  /// chosen.
  void confirm_all() {
    ConfirmationOptions first;
    first.baseline = first.aligned.emplace(baseline_);
    first.control = number_of(source_, -1);
    first.seed = seed_;
    const double end = way_ == Way::uniform ? 1 : kUniformTested;
    first.tokens = left_until(end, tokens_, uniform_tokens_);
    gains_ = confirm(confirming_, start_, first).verdict == Verdict::gain;
    if (!gains_ || chosen_ == start_) return;
    ConfirmationOptions second;
    second.baseline = start_;
    second.seed = seed_;
    second.tokens = left_until(1, tokens_, spent());
    claims_ = confirm(confirming_, chosen_, second).verdict == Verdict::gain;
  }

  /// The mean score of a point on the first rows of the choosing part; std::nullopt where the
  /// tokens do not reach.
  std::optional<double> ask(const ModulePoint& point, std::size_t rows) {
    const std::size_t candidate = candidate_of(point);
    Spending spending(choosing_, module_tokens_left());
    if (!spending.extend(std::vector{candidate}, rows)) return std::nullopt;
    const auto scores = choosing_.of(candidate);
    return summarize(score_values(scores.first(std::min(rows, scores.size())))).mean;
  }

  void take(const ModulePoint& point) { chosen_ = candidate_of(point); }

  double regret() const { return regret_of(chosen_); }
  /// Of what the program recommends: the point only where both tests show a gain.
  double recommended_regret() const { return regret_of(claims_ ? chosen_ : start_); }
  double gain() const { return truth(chosen_) - truth(start_); }
  bool gains() const { return gains_; }
  bool claims() const { return claims_; }
  bool claims_falsely() const { return claims_ && gain() <= 1e-12; }
  double spent_share() const { return static_cast<double>(spent()) / static_cast<double>(tokens_); }
  std::size_t rows() const { return choosing_.rows(); }
  std::size_t start_rows() const { return choosing_.of(start_).size(); }
  double alpha() const { return source_.candidates()[start_].alpha; }

 private:
  double regret_of(std::size_t candidate) const {
    const double base = truth(baseline_);
    const double best = simulation_.truth->best(25) + simulation_.modules->height;
    return (best - truth(candidate)) / (best - base);
  }

  void choose_uniform() {
    SearchOptions options;
    options.baseline = baseline_;
    options.control = number_of(source_, -1);
    options.tokens = left_until(way_ == Way::uniform ? 2.0 / 3 : kUniformEnd, tokens_, 0);
    start_ = chosen_ = choose_alone(Strategy::race, choosing_, options).chosen;
    uniform_tokens_ = choosing_.tokens();
  }

  SearchOptions options() const {
    SearchOptions options;
    options.baseline = baseline_;
    options.tokens = module_tokens_left();
    return options;
  }

  /// The first test is made later here, but what it may spend is kept for it.
  std::uint64_t module_tokens_left() const {
    return left_until(kModulesEnd - kUniformTested + kUniformEnd, tokens_, choosing_.tokens());
  }

  std::size_t candidate_of(const ModulePoint& point) {
    if (point == ModulePoint{}) return start_;
    return *source_.module_candidate(point, start_);
  }

  double truth(std::size_t candidate) const {
    return source_.truth(source_.candidates()[candidate]);
  }
  std::uint64_t spent() const { return choosing_.tokens() + confirming_.tokens(); }

  Simulation simulation_;
  std::uint64_t seed_;
  Simulator source_;
  PromptSplit split_;
  ScoreTable choosing_;
  ScoreTable confirming_;
  Way way_;
  std::uint64_t tokens_ = 0;
  std::uint64_t uniform_tokens_ = 0;
  std::size_t baseline_ = 0;
  std::size_t start_ = 0;
  std::size_t chosen_ = 0;
  bool gains_ = false;
  bool claims_ = false;
};

struct Settings {
  std::vector<std::string> scenarios{"modules", "modules-none", "modules-flat"};
  std::size_t seeds = 200;
  std::uint64_t first_seed = 1;
  std::vector<double> budgets{0.1, 0.25, 0.5};
  bool confirms = true;
  bool serves = false;
};

void replay(const std::string& scenario, double budget, Way way, const Settings& settings) {
  std::vector<double> regrets;
  std::vector<double> recommended;
  std::vector<double> gains;
  std::vector<double> spent;
  double tested = 0;
  double claimed = 0;
  double falsely = 0;
  for (std::size_t i = 0; i < settings.seeds; ++i) {
    Replay replay(scenario, settings.first_seed + i, budget, way);
    if (way == Way::modules) replay.search_modules();
    if (settings.confirms) replay.confirm_all();
    regrets.push_back(replay.regret());
    recommended.push_back(replay.recommended_regret());
    gains.push_back(replay.gain());
    spent.push_back(replay.spent_share());
    tested += replay.gains() ? 1 : 0;
    claimed += replay.claims() ? 1 : 0;
    falsely += replay.claims_falsely() ? 1 : 0;
  }
  const Summary regret = summarize(regrets);
  const Summary advice = summarize(recommended);
  const auto percent = [&](double count) {
    return 100 * count / static_cast<double>(settings.seeds);
  };
  fmt::print(
      "| {} | {:g} % | {} | {:.3f} ± {:.3f} | {:.3f} ± {:.3f} | {:+.4f} | {:.3f} | {:.1f} % | "
      "{:.1f} % | {:.1f} % "
      "|\n",
      scenario, 100 * budget, way == Way::uniform ? "uniform alone" : "modules", regret.mean,
      regret.standard_error, advice.mean, advice.standard_error, summarize(gains).mean,
      summarize(spent).mean, percent(tested), percent(claimed), percent(falsely));
  std::fflush(stdout);
}

/// Answers lines: `begin SCENARIO SEED BUDGET` (the uniform α is chosen), `ask ATTENTION MLP REST
/// SLOPE ROWS` (a mean score, or `spent`), and `take ATTENTION MLP REST SLOPE` (both tests).
void serve() {
  std::unique_ptr<Replay> replay;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "begin") {
      std::string scenario;
      std::uint64_t seed = 0;
      double budget = 0;
      words >> scenario >> seed >> budget;
      replay = std::make_unique<Replay>(scenario, seed, budget, Way::rival);
      fmt::print("{} {} {}\n", replay->alpha(), replay->rows(), replay->start_rows());
    } else {
      if (!replay) throw usage_error("begin is expected first");
      ModulePoint point;
      std::size_t rows = 0;
      words >> point.attention >> point.mlp >> point.rest >> point.slope >> rows;
      if (word == "ask") {
        const auto mean = replay->ask(point, rows);
        fmt::print("{}\n", mean ? fmt::format("{}", *mean) : "spent");
      } else {
        replay->take(point);
        replay->confirm_all();
        fmt::print("{} {} {} {} {} {} {}\n", replay->regret(), replay->recommended_regret(),
                   replay->gain(), replay->spent_share(), replay->gains() ? 1 : 0,
                   replay->claims() ? 1 : 0, replay->claims_falsely() ? 1 : 0);
      }
    }
    std::fflush(stdout);
  }
}

void run(const Settings& settings) {
  if (settings.serves) return serve();
  fmt::print(
      "| truth | budget | strategy | regret | recommended | gain over uniform | spent | first test "
      "| second test "
      "| of these false |\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (const std::string& scenario : settings.scenarios) {
    for (const double budget : settings.budgets) {
      for (const Way way : {Way::uniform, Way::modules}) replay(scenario, budget, way, settings);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Replays searches for an α of each kind of module.");
  app.add_option("scenario", settings.scenarios, "modules, modules-none, modules-flat");
  app.add_option("--seeds", settings.seeds);
  app.add_option("--first-seed", settings.first_seed);
  app.add_option("--budgets", settings.budgets, "shares of the full grid's tokens")->delimiter(',');
  app.add_flag("!--no-confirm", settings.confirms, "only chooses");
  app.add_flag("--serve", settings.serves, "answers another program that chooses");
  CLI11_PARSE(app, argc, argv);
  try {
    run(settings);
  } catch (const Error& error) {
    fmt::print(stderr, "module_replay: {}\n", error.what());
    return exit_code(error.category());
  }
  return 0;
}
