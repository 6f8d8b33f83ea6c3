#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/judge_options.h"
#include "expo/cli/options/second_objectives.h"
#include "expo/search/run/search_run.h"

namespace CLI {
class App;
}

namespace expo {

/// What answers are scored by.
enum class Objective {
  reward,      ///< a reward model
  command,     ///< a program
  implicit,    ///< the pair's own log-probabilities
  judge,       ///< a judge that compares answers with the baseline's
  preference,  ///< no answers: which answer of preference pairs is found more likely
};

std::string_view objective_name(Objective objective);
/// A sentence about what the scores of a proxy show, and what not; empty for other objectives.
std::string_view caution_of(Objective objective);

/// The options of `expo search` that say what is searched, by which scores, and how.
struct SearchSettings {
  std::string objective;
  std::string reward_model;
  std::string scorer;
  double scorer_timeout = 300;  ///< seconds
  std::string pairs;            ///< file
  std::optional<double> dpo_beta;
  JudgeServerOptions judge;
  SecondObjectives second;
  std::string alphas;
  std::string strategy;
  std::vector<std::string> guards;
  double min_gain = 0;
  std::string prefer = "best";
  std::vector<std::string> also;  ///< further ALIGNED checkpoints
  std::string baseline;
  std::vector<std::string> policy;  ///< servers, KIND=URL each
  std::string policy_key_variable;
  std::optional<std::uint64_t> token_budget;
  bool one_at_a_time = false;  ///< models take turns in memory
  bool modules = false;

  void declare(CLI::App& command);

  /// The servers that answer at each α; std::nullopt: the policy runs here. Throws Error(usage) for
  /// words that are no servers, or servers of several kinds.
  std::optional<EngineWord> policy_servers() const;
  /// The objective that is named, or that what is given implies. Throws Error(usage) if there is
  /// none, if its data is missing, and for data that it does not use.
  Objective chosen_objective() const;
  /// Throws Error(usage) naming an option that was given to `command` and has no effect with the
  /// objective.
  void check_unused(const CLI::App& command) const;
  /// What answers are scored by, the objective that decides first; none if pairs decide.
  std::vector<AnswerObjective> answer_objectives() const;
  /// The α to search, ascending, with −1 and 0.
  std::vector<double> alpha_list() const;
  /// Throws Error(usage) for words and numbers that mean nothing.
  SearchRunOptions run_options() const;
  /// All of them, as run.json and search.json hold them.
  Json to_json() const;
};

}  // namespace expo
