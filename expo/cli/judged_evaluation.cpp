#include "expo/cli/judged_evaluation.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/repeatable.h"
#include "expo/cli/arguments/unused_options.h"
#include "expo/cli/options/data_folder.h"
#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/options/reference_outputs.h"
#include "expo/cli/text/evaluation_text.h"
#include "expo/cli/text/judge_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/engine/scoring_job.h"
#include "expo/evaluation/judge/annotation_output.h"
#include "expo/evaluation/judge/served/served_chat_model.h"

namespace expo {
namespace {

/// The rewards of the answers, as the Reward column of the paper's tables has their mean.
ScoringReport rewards_of(const AnswerPairs& pairs, Engine& engine, std::size_t batch_size,
                         const CancellationToken& cancellation) {
  std::vector<AnsweredRow> rows;
  for (const AnswerPair& pair : pairs.rows) {
    Json messages = user_turn(pair.instruction);
    messages.push_back(assistant_turn(pair.model_output));
    rows.push_back({.id = std::to_string(pair.index),
                    .conversations = {{.messages = std::move(messages)}},
                    .row = Json::object(),
                    .place = pair.place});
  }
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

Json reward_json(const ScoringReport& rewards) {
  const MeanOfRewards& mean = rewards.labels.front();
  return {{"mean", mean.mean},
          {"standard_error", mean.standard_error ? Json(*mean.standard_error) : Json()},
          {"model", rewards.engine.name}};
}

std::string reward_line(const ScoringReport& rewards) {
  const MeanOfRewards& mean = rewards.labels.front();
  return fmt::format("mean reward {:.4f} ± {:.4f} by {}\n", mean.mean,
                     mean.standard_error.value_or(0), on_one_line(rewards.engine.name));
}

/// What a run has found.
struct Found {
  const JudgingJob& job;
  const JudgeResult& judged;
  const LeaderboardRow& row;
  const std::optional<ScoringReport>& rewards;
};

void print(const Found& found, bool as_json) {
  if (as_json) {
    Json json = to_json(found.row);
    json["reward"] = found.rewards ? reward_json(*found.rewards) : Json();
    json["judging"] = to_json(found.judged);
    json["annotations"] = found.job.output.string();
    std::cout << format_json(json);
    return;
  }
  std::string text = describe(std::vector{found.row});
  if (found.rewards) text += reward_line(*found.rewards);
  text += fmt::format("{}; annotations in {}\n", describe(found.judged), found.job.output.string());
  std::cout << escape_controls(text);
}

/// Computes the figures; where they need a preference that is missing, it says how to get it.
LeaderboardRow evaluated(const Judging& judging, const JudgeResult& judged, const JudgingJob& job,
                         const FitOptions& fit, const ReferenceData& reference,
                         const CancellationToken& cancellation) {
  const std::uint64_t failed = judged.count(VerdictSource::none);
  if (failed > 0 && !job.allow_missing)
    throw input_error(
        fmt::format("{}: {} of {} no preference; the same command with --resume asks again, and "
                    "--allow-missing computes the figures over the other rows",
                    job.output.string(), failed,
                    counted(judged.rows.size(), "row") + (failed == 1 ? " has" : " have")));
  return evaluate(to_annotations(judging.pairs(), judged, annotator_name(job.judge.sampling.model),
                                 job.output.string()),
                  reference, fit.evaluation, cancellation);
}

/// Finds rows of which no figures could be computed before their preferences are paid for.
void check_rows(const AnswerPairs& pairs, const ReferenceData& reference, const RowDemands& demands,
                const std::string& file) {
  JudgeResult draws;
  draws.rows.assign(pairs.rows.size(), {.preference = 1.5});
  judged_rows(to_annotations(pairs, draws, "", file), reference, demands);
}

}  // namespace

void JudgedEvaluation::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command
      .add_option("--model-outputs", model_outputs,
                  "The model's answers to be judged, in AlpacaEval's format or as expo generate "
                  "writes them; needs --judge")
      ->type_name("FILE");
  command
      .add_option(
          "--reference-outputs", reference_outputs,
          "The baseline's answers to the same instructions, in AlpacaEval's format; default: "
          "AlpacaEval 2.0's own, from the local Hugging Face cache")
      ->type_name("FILE");
  command
      .add_option("--generator", generator,
                  "The model's name; default: what its answers say, or the name of their file")
      ->type_name("NAME");
  command
      .add_option("-o,--output", output,
                  "File for what the judge says, AlpacaEval's annotations.json; it is replaced "
                  "whole or not at all")
      ->type_name("FILE");
  command.add_flag("--resume", resume,
                   "Take over the preferences that FILE of -o has, and ask for the others");
  command.add_flag("--overwrite", overwrite, "Replace FILE of -o");
  make_repeatable(
      command.add_option("--reuse", reuse,
                         "Annotations of an earlier run, expo's or alpaca_eval's: what they say of "
                         "the same request is not asked again; repeatable"),
      "FILE");
  command.add_flag("--dry-run", dry_run,
                   "Say what would be asked and what it would cost; nothing is sent or written");
  judge.declare(command);
  command.option_defaults()->group(help_section::kModel);
  command
      .add_option("--reward-model", reward_model,
                  "Reward model whose mean reward of the same answers is shown too; also "
                  "vllm=URL")
      ->type_name("MODEL");
  reward_server.declare(command);
  machine.declare(command, "Most answers scored at once; default: 16");
}

void JudgedEvaluation::check_unused(const CLI::App& command) {
  constexpr const char* kWhy = "without --model-outputs, whose answers a judge is asked about";
  refuse_given(
      command,
      {"--reference-outputs", "--generator", "--output", "--resume", "--overwrite", "--reuse",
       "--dry-run", "--judge", "--reward-model", "--tokenizer", "--key-variable",
       "--answer-timeout", "--device", "--dtype", "--batch-size", "--threads", "--deterministic"},
      kWhy);
  JudgeServerOptions::check_unused(command, kWhy);
}

JudgingJob JudgedEvaluation::job(const FitOptions& fit) const {
  if (judge.judge.empty())
    throw usage_error("--model-outputs: no judge is named; give --judge openai=URL#NAME");
  JudgingJob job{.model_outputs = model_outputs, .reference_outputs = reference_outputs};
  job.generator = generator;
  job.allow_missing = fit.evaluation.rows.allow_missing;
  job.output = output;
  job.overwrite = overwrite;
  job.resume = resume;
  job.reuse.assign(reuse.begin(), reuse.end());
  job.cache = judge.cache;
  job.prompt_template = shipped_data_folder("judge") / "alpaca_eval_clf.prompt";
  job.dry_run = dry_run;
  job.judge = judge.judge_options();
  check(job);
  if (reference_outputs.empty())
    job.reference_outputs =
        cached_reference_outputs(posix_filesystem(), hugging_face_environment());
  return job;
}

std::optional<EngineSpec> JudgedEvaluation::reward_spec(const CLI::App& command) const {
  if (reward_model.empty()) {
    refuse_given(command,
                 {"--tokenizer", "--key-variable", "--answer-timeout", "--device", "--dtype",
                  "--batch-size", "--threads", "--deterministic"},
                 "without --reward-model");
    return std::nullopt;
  }
  EngineSpec spec = spec_of_model(reward_model, "--reward-model", machine, reward_server, {});
  if (std::holds_alternative<EmbeddedSpec>(spec)) ServerOptions::check_unused(command);
  check(spec);
  return spec;
}

void JudgedEvaluation::run(const FitOptions& fit, const CLI::App& command,
                           const CommandContext& context) const {
  const JudgingJob job = this->job(fit);
  const ChatServer server = judge.server();
  const auto spec = reward_spec(command);
  std::optional<ServedChatModel> model;  // a dry run needs no key
  if (!dry_run) {
    model.emplace(server);
    if (spec) context.prepare(*spec);
  }
  Judging judging(posix_filesystem(), job, server.url);
  const ReferenceData reference = fit.reference();
  check_rows(judging.pairs(), reference, fit.evaluation.rows, model_outputs);
  print_warnings(judging.warnings());
  const JudgeEstimate estimate = judging.estimate();
  if (dry_run) {
    std::cout << (fit.json ? format_json(to_json(estimate)) : describe(estimate) + "\n");
    return;
  }
  const auto engine = spec ? context.open_engine(*spec) : nullptr;
  print_notes({describe(estimate)});
  TerminalRowProgress progress;
  const JudgeResult judged = judging.run(*model, context.cancellation, &progress);
  print_warnings(failure_warnings(judging.pairs(), judged));
  const LeaderboardRow row = evaluated(judging, judged, job, fit, reference, context.cancellation);
  std::optional<ScoringReport> rewards;
  if (engine)
    rewards = rewards_of(judging.pairs(), *engine, machine.batch_size, context.cancellation);
  print({job, judged, row, rewards}, fit.json);
}

}  // namespace expo
