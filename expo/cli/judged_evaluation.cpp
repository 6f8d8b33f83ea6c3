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
#include "expo/cli/options/output_options.h"
#include "expo/cli/options/reference_outputs.h"
#include "expo/cli/text/evaluation_text.h"
#include "expo/cli/text/judge_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/judge/annotation_output.h"
#include "expo/evaluation/judge/cost_forecast.h"
#include "expo/evaluation/judge/served/served_chat_model.h"

namespace expo {
namespace {

/// What a run has found.
struct Found {
  const JudgingJob& job;
  const JudgeResult& judged;
  const LeaderboardRow& row;
  const std::optional<GenerationReport>& answers;
  const std::optional<ScoringReport>& rewards;
};

void print(const Found& found, bool as_json) {
  if (as_json) {
    Json json = to_json(found.row);
    json["reward"] = reward_json(found.rewards);
    json["answers"] = found.answers ? to_json(*found.answers) : Json();
    json["judging"] = to_json(found.judged);
    json["annotations"] = found.job.output.string();
    std::cout << format_json(json);
    return;
  }
  std::string text = describe(std::vector{found.row});
  if (found.rewards) text += describe_reward(*found.rewards);
  text += fmt::format("{}; annotations in {}\n", describe(found.judged), found.job.output.string());
  std::cout << escape_controls(text);
}

/// Computes the figures; where they need a preference that is missing, it says how to get it.
LeaderboardRow evaluated_row(const Judging& judging, const JudgeResult& judged,
                             const JudgingJob& job, const FitOptions& fit,
                             const ReferenceData& reference,
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

/// What it costs to have the instructions answered, which the baseline's answers stand for.
CostForecast forecast_of(const Judging& rehearsal, const JudgeOptions& judge,
                         const GenerationJob& answers) {
  CostForecast forecast(rehearsal.prompt_template(), judge);
  for (const AnswerPair& pair : rehearsal.pairs().rows) {
    forecast.add(pair.instruction, ForecastLength::of(pair.baseline_output),
                 ForecastLength::unwritten(answers.answer.stop.max_tokens.value(),
                                           pair.baseline_output.size()));
  }
  return forecast;
}

/// A sentence about answers that are to be made.
std::string describe_answers(const GenerationJob& answers, std::uint64_t count) {
  return fmt::format(
      "up to {} by {} to be made, of at most {} each, less those that an earlier run with the same "
      "settings has made; what they likely cost is told for answers as long as the baseline's",
      counted(count, "answer"), on_one_line(answers.generator) + (count == 1 ? " is" : " are"),
      counted(answers.answer.stop.max_tokens.value(), "token"));
}

void print_dry_run(const JudgeEstimate& estimate, const std::optional<GenerationJob>& answers,
                   bool as_json) {
  if (!as_json) {
    if (answers) std::cout << describe_answers(*answers, estimate.requests) << "\n";
    std::cout << describe(estimate) << "\n";
    return;
  }
  Json json = to_json(estimate);
  json["answers"] = Json();
  if (answers)
    json["answers"] = {{"to_make", estimate.requests},
                       {"most_tokens", answers->answer.stop.max_tokens.value()}};
  std::cout << format_json(json);
}

}  // namespace

void JudgedEvaluation::declare(CLI::App& command) {
  evaluated.declare(command);
  rewards.declare(command);
  declare_files(command);
  judge.declare(command);
  machine.declare(command, "Most answers generated (default: 64) or scored (16) at once");
  machine.declare_cache(command);
}

void JudgedEvaluation::declare_files(CLI::App& command) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command
      .add_option("--model-outputs", model_outputs,
                  "The model's answers to be judged, in AlpacaEval's format or as expo generate "
                  "writes them; with --model the file that they are written to, by default "
                  "FILE.answers.json beside the output; needs --judge")
      ->type_name("FILE");
  command
      .add_option(
          "--reference-outputs", reference_outputs,
          "The baseline's answers to the same instructions, in AlpacaEval's format; default: "
          "AlpacaEval 2.0's own, from the local Hugging Face cache")
      ->type_name("FILE");
  command
      .add_option("--generator", generator,
                  "The model's name; default: what its answers say, or the name of their file; "
                  "with --model that and its α")
      ->type_name("NAME");
  command
      .add_option("-o,--output", output,
                  "File for what the judge says, AlpacaEval's annotations.json; it is replaced "
                  "whole or not at all")
      ->type_name("FILE");
  command.add_flag("--resume", resume,
                   "Take over the preferences that FILE of -o has, and ask for the others");
  command.add_flag("--overwrite", overwrite,
                   "Replace FILE of -o, and answers that --model has made with other settings");
  make_repeatable(
      command.add_option("--reuse", reuse,
                         "Annotations of an earlier run, expo's or alpaca_eval's: what they say of "
                         "the same request is not asked again; repeatable"),
      "FILE");
  command.add_flag("--dry-run", dry_run,
                   "Say what would be asked and what it would cost; nothing is sent or written");
}

void JudgedEvaluation::check_unused(const CLI::App& command) const {
  const std::string why =
      "without --model-outputs or --model, whose answers a judge is asked about";
  refuse_given(command,
               {"--reference-outputs", "--generator", "--output", "--resume", "--overwrite",
                "--reuse", "--dry-run", "--judge"},
               why);
  JudgeServerOptions::check_unused(command, why);
  evaluated.check_unused(command);
}

std::filesystem::path JudgedEvaluation::answers_file() const {
  if (!model_outputs.empty() || output.empty()) return model_outputs;
  return output + ".answers.json";
}

JudgingJob JudgedEvaluation::job(const FitOptions& fit) const {
  if (judge.judge.empty())
    throw usage_error(fmt::format("{}: no judge is named; give --judge openai=URL#NAME",
                                  evaluated.is_named() ? "--model" : "--model-outputs"));
  JudgingJob job{.model_outputs = answers_file(), .reference_outputs = reference_outputs};
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

/// The engines that are asked for, with options that serve several of them refused only where they
/// serve none.
JudgedEvaluation::Specs JudgedEvaluation::specs(const CLI::App& command) const {
  const std::vector<std::string> of_models_here{"--device", "--dtype", "--threads",
                                                "--deterministic"};
  Specs specs;
  std::vector<std::string> has_use{"--allow-other-sampling"};
  if (evaluated.is_named()) {
    has_use.insert(has_use.end(), of_models_here.begin(), of_models_here.end());
    has_use.emplace_back("--batch-size");
  }
  specs.rewards = rewards.spec(machine, {command, has_use});
  if (!evaluated.is_named()) {
    evaluated.check_unused(command);
    return specs;
  }
  const bool scores_here = specs.rewards && std::holds_alternative<EmbeddedSpec>(*specs.rewards);
  specs.model = evaluated.spec(
      machine, scores_here ? GivenOptions(command, of_models_here) : GivenOptions(command));
  return specs;
}

/// Finds what would stop the judging before any answer is made for it: the baseline's answers take
/// the place of the model's. Nothing is written.
Judging JudgedEvaluation::rehearse(const JudgingJob& job, const GenerationJob& answers,
                                   const ChatServer& server) const {
  check_output(posix_filesystem(), job);
  JudgingJob rehearsal = job;
  rehearsal.model_outputs = job.reference_outputs;
  rehearsal.generator = answers.generator;
  rehearsal.dry_run = true;
  return Judging(posix_filesystem(), rehearsal, server.url);
}

/// Tells of answers that are not there yet; returns whether that is all there is to do.
bool JudgedEvaluation::tell_of(const GenerationJob& answers, const JudgingJob& job,
                               const ChatServer& server, const FitOptions& fit,
                               const ReferenceData& reference) const {
  const Judging rehearsal = rehearse(job, answers, server);
  check_rows(rehearsal.pairs(), reference, fit.evaluation.rows, job.reference_outputs.string());
  // Those that are there may be of other settings, and replaced.
  const auto& file = answers.output.file;
  if (!file.empty() && posix_filesystem().exists(file) && !overwrite) return false;
  const JudgeEstimate estimate = forecast_of(rehearsal, job.judge, answers).estimate();
  if (dry_run) {
    print_dry_run(estimate, answers, fit.json);
  } else {
    print_notes({describe_answers(answers, estimate.requests), describe(estimate)});
  }
  return dry_run;
}

void JudgedEvaluation::run(const FitOptions& fit, const CLI::App& command,
                           const CommandContext& context) const {
  const JudgingJob job = this->job(fit);
  const ChatServer server = judge.server();
  const Specs specs = this->specs(command);
  std::optional<GenerationJob> answers;
  if (specs.model)
    answers = evaluated.job(job.model_outputs, job.reference_outputs, generator, overwrite);
  std::optional<ServedChatModel> model;  // a dry run needs no key
  if (!dry_run) {
    model.emplace(server);
    if (specs.model) context.prepare(*specs.model);
    if (specs.rewards) context.prepare(*specs.rewards);
  }
  const ReferenceData reference = fit.reference();
  if (answers && tell_of(*answers, job, server, fit, reference)) return;
  const auto scorer = specs.rewards && !dry_run ? context.open_engine(*specs.rewards) : nullptr;
  std::optional<GenerationReport> made;
  if (answers && !dry_run)
    made = evaluated.answer(*answers, job.reference_outputs, *specs.model, context);

  Judging judging(posix_filesystem(), job, server.url);
  check_rows(judging.pairs(), reference, fit.evaluation.rows, job.model_outputs.string());
  print_warnings(judging.warnings());
  const JudgeEstimate estimate = judging.estimate();
  if (dry_run) return print_dry_run(estimate, std::nullopt, fit.json);
  print_notes({describe(estimate)});
  TerminalRowProgress progress;
  const JudgeResult judged = judging.run(*model, context.cancellation, &progress);
  print_warnings(failure_warnings(judging.pairs(), judged));
  const LeaderboardRow row =
      evaluated_row(judging, judged, job, fit, reference, context.cancellation);
  std::optional<ScoringReport> scores;
  if (scorer)
    scores = score_answers(answered_rows(judging.pairs()), *scorer, machine.batch_size,
                           context.cancellation);
  print({job, judged, row, made, scores}, fit.json);
}

}  // namespace expo
