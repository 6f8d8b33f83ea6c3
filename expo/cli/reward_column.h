#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expo/cli/command_context.h"
#include "expo/cli/options/machine_options.h"
#include "expo/cli/options/server_options.h"
#include "expo/engine/scoring_job.h"
#include "expo/evaluation/annotations.h"
#include "expo/evaluation/judge/answer_pairs.h"

namespace CLI {
class App;
}

namespace expo {

/// The reward model of `expo evaluate alpaca`, whose mean reward of a model's answers is shown
/// beside what a judge says of them, as in the Reward column of the paper's tables.
struct RewardColumn {
  std::string reward_model;
  ServerOptions server;

  void declare(CLI::App& command);
  /// The engine that is asked for; std::nullopt: none. Throws Error(usage) for options that were
  /// given without effect.
  std::optional<EngineSpec> spec(const MachineOptions& machine, const GivenOptions& given) const;
};

/// What a reward model says of answers. Throws Error(usage) for a model that gives no single value.
ScoringReport score_answers(const std::vector<AnsweredRow>& rows, Engine& engine,
                            std::size_t batch_size, const CancellationToken& cancellation);

/// The model's answers.
std::vector<AnsweredRow> answered_rows(const AnswerPairs& pairs);
/// The same of annotations. Throws Error(input) naming a row that holds no texts.
std::vector<AnsweredRow> answered_rows(const Annotations& annotations);

/// {"mean", "standard_error", "model"}, or null.
Json reward_json(const std::optional<ScoringReport>& rewards);
/// A line about them.
std::string describe_reward(const ScoringReport& rewards);

}  // namespace expo
