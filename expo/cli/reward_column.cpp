#include "expo/cli/reward_column.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

AnsweredRow answered_row(std::uint64_t index, const std::string& instruction,
                         const std::string& answer, const std::string& place) {
  Json messages = user_turn(instruction);
  messages.push_back(assistant_turn(answer));
  return {.id = std::to_string(index),
          .conversations = {{.messages = std::move(messages)}},
          .row = Json::object(),
          .place = place};
}

}  // namespace

void RewardColumn::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kModel);
  command
      .add_option("--reward-model", reward_model,
                  "Reward model whose mean reward of the same answers is shown too; also vllm=URL")
      ->type_name("MODEL");
  server.declare(command);
}

std::optional<EngineSpec> RewardColumn::spec(const MachineOptions& machine,
                                             const GivenOptions& given) const {
  const auto refuse_machine = [&given](const std::string& why) {
    refuse_given(given, {"--device", "--dtype", "--threads", "--deterministic"}, why);
  };
  if (reward_model.empty()) {
    server.check_unused(given, "without --reward-model");
    refuse_machine("without a model that runs here");
    refuse_given(given, {"--batch-size"}, "without --reward-model or --model");
    return std::nullopt;
  }
  EngineSpec spec = spec_of_model(reward_model, "--reward-model", machine, server, {});
  if (std::holds_alternative<EmbeddedSpec>(spec)) {
    server.check_unused(given, "on a reward model that runs here, not on a server");
  } else {
    refuse_machine("on a reward model that a server runs");
  }
  check(spec);
  return spec;
}

std::vector<AnsweredRow> answered_rows(const AnswerPairs& pairs) {
  std::vector<AnsweredRow> rows;
  for (const AnswerPair& pair : pairs.rows)
    rows.push_back(answered_row(pair.index, pair.instruction, pair.model_output, pair.place));
  return rows;
}

std::vector<AnsweredRow> answered_rows(const Annotations& annotations) {
  std::vector<AnsweredRow> rows;
  for (const Annotation& row : annotations.rows) {
    if (row.instruction.empty() || !row.model_output)
      throw input_error(
          fmt::format("{}: there are no texts, which --reward-model scores; expected AlpacaEval's "
                      "annotations.json with the columns instruction and output_2",
                      row.place));
    rows.push_back(answered_row(row.index, row.instruction, *row.model_output, row.place));
  }
  return rows;
}

ScoringReport score_answers(const std::vector<AnsweredRow>& rows, Engine& engine,
                            std::size_t batch_size, const CancellationToken& cancellation) {
  ScoringJob job;
  job.batch_size = batch_size;
  TerminalRowProgress progress;
  ScoringReport report = run_scoring(
      posix_filesystem(), engine, rows, job, [](const Json&) {}, &progress, cancellation);
  print_warnings(report.warnings);
  if (report.labels.size() != 1)
    throw usage_error(fmt::format(
        "--reward-model: {} gives {} for an answer; expected a reward model, which gives one",
        report.engine.name, counted(report.labels.size(), "value")));
  return report;
}

Json reward_json(const std::optional<ScoringReport>& rewards) {
  if (!rewards) return {};
  const MeanOfRewards& mean = rewards->labels.front();
  return {{"mean", mean.mean},
          {"standard_error", mean.standard_error ? Json(*mean.standard_error) : Json()},
          {"model", rewards->engine.name}};
}

std::string describe_reward(const ScoringReport& rewards) {
  const MeanOfRewards& mean = rewards.labels.front();
  return fmt::format("mean reward {:.4f} ± {:.4f} by {}\n", mean.mean,
                     mean.standard_error.value_or(0), on_one_line(rewards.engine.name));
}

}  // namespace expo
