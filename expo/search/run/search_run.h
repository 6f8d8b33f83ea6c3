#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/search/confirmation.h"
#include "expo/search/prompt_split.h"
#include "expo/search/run/estimate.h"
#include "expo/search/run/module_stage.h"
#include "expo/search/run/rounding_effects.h"
#include "expo/search/source/score_source.h"
#include "expo/search/strategy.h"

namespace expo {

/// Which of the α that cannot be told apart is taken.
enum class TiePreference {
  best,      ///< the one with the best estimate
  smallest,  ///< the smallest above 0
};

/// "best" or "smallest"; throws Error(usage) for anything else.
TiePreference preference_named(std::string_view name);

/// How a search goes about it.
struct SearchRunOptions {
  Strategy strategy = Strategy::race;
  TiePreference prefer = TiePreference::best;
  std::vector<Guard> guards;
  double min_gain = 0;                  ///< a gain below it is not worth having
  std::optional<std::uint64_t> tokens;  ///< budget of the whole search
  std::uint64_t seed = 0;               ///< of the test's random flips
  /// The names of the models whose candidates make up each family, for the result; may be empty.
  std::vector<std::string> models = {};
  bool modules = false;  ///< also searches an α for each kind of module, see search_modules()
  /// Hears of each look, numbered from 1, as it is made.
  std::function<void(const Look&, std::size_t number, const std::vector<Candidate>&)> on_look = {};
  /// Hears of each α that is dropped before it is scored, as its answers collapse.
  std::function<void(const Collapsed&, const std::vector<Candidate>&)> on_collapsed = {};
  /// Returns, once α is chosen, the number of a candidate that the chosen one is compared with
  /// instead of with α = 0: another model, which is made a candidate only then, or one that has
  /// competed all along.
  std::function<std::size_t()> add_rival = {};
  /// Hears what was chosen, and what it will be compared with if that is not itself, before the
  /// confirming part is asked for anything.
  std::function<void(const Candidate& chosen, const Candidate& baseline, std::size_t prompts)>
      on_confirming = {};
};

struct SearchedCandidate {
  Candidate candidate;
  std::optional<Estimate> choosing;    ///< flatters the candidate that it chose
  std::optional<Estimate> confirming;  ///< of those that were compared there
  bool eligible = true;  ///< violates no guard on the choosing part, and has not collapsed there
  RoundingEffect rounding = {};     ///< what rounding makes of α, as far as that was measured
  std::optional<Drift> drift = {};  ///< how far it has gone, where that was measured
  std::optional<Collapsed> collapsed = {};  ///< which leaves it unscored
};

/// What a search found. Candidates are numbers of the source.
struct SearchResult {
  std::vector<SearchedCandidate> candidates;
  std::vector<std::string> models;  ///< by family, as in the options
  std::vector<Measure> measures;    ///< of the source
  /// The chosen candidate's measures minus those of what it is compared with, prompt by prompt on
  /// the confirming part: shown, not tested. Empty if the baseline was chosen.
  std::vector<Summary> measure_differences;
  std::size_t baseline = 0;  ///< α = 0 of the first family
  std::optional<std::size_t> control;
  std::optional<std::size_t> rival;  ///< what the chosen α is compared with, if not the baseline
  std::size_t best = 0;              ///< by the strategy
  std::size_t chosen = 0;            ///< that and the preference
  std::vector<std::size_t> tied;
  /// What is recommended: the chosen α, or if it has no worthwhile gain what it was compared with,
  /// unless that is a model that did not compete.
  std::size_t recommended = 0;
  double alpha = 0;  ///< of what is recommended
  /// α = 0 of the chosen family, which is compared with the control.
  std::optional<std::size_t> trained;
  Confirmation confirmation;
  std::size_t choosing_prompts = 0;
  std::size_t confirming_prompts = 0;
  std::size_t compared_prompts = 0;      ///< of the confirming part, as far as the budget reached
  std::optional<ModuleOutcome> modules;  ///< if they were searched
  /// Where a judge decides: AlpacaEval's figures of the compared candidates, as judged_rates() has
  /// them; else null.
  Json judged = {};
  std::uint64_t choosing_tokens = 0;
  std::uint64_t tokens = 0;
  std::vector<std::string> warnings;
};

/// The fewest prompts of the confirming part with which a gain can be claimed at all: if each is in
/// its favour, the sign-flip test gives 1/32.
inline constexpr std::size_t kFewestPrompts = 5;

/// The share of a budget that is kept for the confirmation, unless modules are searched: see
/// module_budget.h.
inline constexpr double kConfirmingShare = 1.0 / 3;

/// Throws Error(input), naming the number, if a part of the split holds too few prompts for a
/// claim. `place` names the data.
void check_parts(const PromptSplit& split, const std::string& place);

/// Throws Error(usage) for a budget that two prompts at each of the candidates with α ≥ 0, of which
/// there are `alphas`, exceed in any case, as each answer has at least one token.
void check_token_budget(const SearchRunOptions& options, std::size_t alphas, std::uint32_t samples);

/// Chooses an α on the choosing part and compares it with α = 0 on the other one. The source must
/// have a candidate with α = 0, the first of which is the baseline; one with α = −1 is the control.
/// Several families compete with each other, each with α of its own. Equal scores give an equal
/// result. Throws what the source throws.
SearchResult run_search(ScoreSource& source, const PromptSplit& split,
                        const SearchRunOptions& options);

/// The members of search.json that the scores decide: "alpha", "verdict", "gain", "interval", "p",
/// "tokens", "candidates" and so on.
Json to_json(const SearchResult& result);

/// A comparison, or null.
Json to_json(const std::optional<Comparison>& comparison);

/// A line of trace.jsonl.
Json to_json(const Look& look, std::size_t number, const std::vector<Candidate>& candidates);

/// {"kind": "endless", "share": 0.92, "share_at_zero": 0.04, "answers": 16, "cap": 120}
Json to_json(const Collapsed& collapsed);

}  // namespace expo
