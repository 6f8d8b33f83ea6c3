#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/live/command_scorer.h"

namespace expo {

/// What answers are scored by: the objective that decides, or one that is shown beside it.
struct AnswerObjective {
  enum class Kind { reward, command, implicit, judge };

  Kind kind = Kind::reward;
  std::string name;    ///< of one that is shown
  std::string source;  ///< the reward model or the program
};

/// What scorers are made of.
struct ScorerParts {
  std::function<std::unique_ptr<Engine>(const std::string& model)> open_reward_model;
  Engine& policy;  ///< of the pair that is extrapolated
  Filesystem& filesystem;
  double timeout = 300;  ///< longest silence of a program, in seconds
  const CancellationToken& cancellation;
  std::function<std::unique_ptr<AnswerScorer>()> open_judge = {};
};

/// The scorers of a search, with the engines of those that are reward models.
class SearchScorers {
 public:
  /// Opens a scorer for each objective, the one that decides first. None at all if pairs decide.
  /// The parts that are references must outlive this object.
  void open(const std::vector<AnswerObjective>& objectives, const ScorerParts& parts);

  std::vector<AnswerScorer*> list() const;
  const std::vector<std::unique_ptr<Engine>>& engines() const { return engines_; }
  bool has_program() const;                   ///< which may read any column of a prompt's row
  std::vector<std::string> warnings() const;  ///< of all

  Json identity() const;            ///< of the one that decides; null without one
  Json further_identities() const;  ///< of the others, by their names
  Json further_names() const;       ///< what they are, by their names

 private:
  std::unique_ptr<AnswerScorer> make(const AnswerObjective& objective, const ScorerParts& parts);
  template <typename Function>
  Json of_further(Function&& function) const;

  std::vector<AnswerObjective> objectives_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::unique_ptr<AnswerScorer>> scorers_;
};

}  // namespace expo
