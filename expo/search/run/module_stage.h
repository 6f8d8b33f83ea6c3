#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/search/confirmation.h"
#include "expo/search/run/estimate.h"
#include "expo/search/strategy.h"

namespace expo {

/// What a search for an α of each kind of module found, beside the uniform α.
struct ModuleOutcome {
  /// A point that was asked, and what is known of it.
  struct Point {
    Candidate candidate;
    std::size_t prompts = 0;  ///< of the choosing part
    double mean = 0;
    double standard_error = 0;
  };
  Candidate start;   ///< the uniform α
  Candidate chosen;  ///< the start where nothing is believed to be better
  std::size_t chosen_number = 0;
  std::vector<Point> points;
  // Of the chosen point, unless that is the start.
  std::optional<Estimate> choosing;    ///< flatters it
  std::optional<Estimate> confirming;  ///< set where it was compared
  /// Its measures minus those of the start, prompt by prompt on the confirming part: shown, not
  /// tested.
  std::vector<Summary> measure_differences;
  std::vector<Measure> measures;    ///< of the source
  std::optional<Drift> drift = {};  ///< how far it has gone, where that was measured
  /// Why nothing was asked or tested; empty otherwise.
  std::string skipped;
  std::optional<Confirmation> confirmation;  ///< of the chosen point against the start
  std::uint64_t choosing_tokens = 0;

  /// Whether the chosen point is shown to be better than the uniform α. Only then it is
  /// recommended.
  bool is_gain() const { return confirmation && confirmation->verdict == Verdict::gain; }
};

/// How the second half of a search with modules goes about it.
struct ModuleStageOptions {
  std::size_t start = 0;               ///< the uniform α that was compared with the baseline
  std::size_t baseline = 0;            ///< α = 0, of guards
  Verdict first = Verdict::undecided;  ///< of the uniform α
  std::vector<Guard> guards = {};
  double min_gain = 0;
  std::optional<std::uint64_t> tokens = {};  ///< budget of the whole search
  std::uint64_t seed = 0;
  std::function<void(const Look&)> on_look = {};
  Screening::Sink on_collapsed = {};
};

/// Chooses a point on the choosing part and compares it with the start on the other one, after the
/// start was compared with the baseline there: the tests have a fixed order, each at 5 %, and the
/// second is made only if the first shows a gain, so that the chance of any false claim is 5 %.
/// Otherwise nothing is asked. The tables are those of the search for the uniform α.
ModuleOutcome search_modules(ScoreTable& choosing, ScoreTable& confirming,
                             const ModuleStageOptions& options);

/// {"attention": 1.414, "mlp": 0.707, "rest": 1, "slope": 0.5}
Json to_json(const ModulePoint& point);

/// The member "modules" of search.json.
Json to_json(const ModuleOutcome& outcome);

}  // namespace expo
