#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/repeatable.h"
#include "expo/cli/command.h"
#include "expo/cli/options/answering_options.h"
#include "expo/cli/options/model_options.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/options/row_options.h"
#include "expo/cli/text/run_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/engine/generation_job.h"

namespace expo {
namespace {

struct Options {
  ModelOptions model;
  RowOptions rows;
  std::vector<std::string> prompts;
  std::string format;
  std::string generator;
  ExtrapolationOptions extrapolation;
  AnsweringOptions answering;
  MachineOptions machine;
};

std::vector<Prompt> prompts_of_words(const std::vector<std::string>& texts) {
  std::vector<Prompt> prompts;
  for (const std::string& text : texts) {
    const std::string number = std::to_string(prompts.size());
    prompts.push_back({number,
                       {user_turn(text)},
                       Json{{"prompt", text}},
                       "--prompt " + std::to_string(prompts.size() + 1)});
  }
  return prompts;
}

/// Throws Error(usage) unless there is exactly one source of prompts and every option applies to
/// it.
void check_source(const Options& options) {
  const RowOptions& rows = options.rows;
  if (options.prompts.empty() == rows.data.empty()) {
    throw usage_error(rows.data.empty()
                          ? "generate: there are no prompts; give a data set or --prompt TEXT"
                          : "generate: a data set and --prompt are both given; give one of them");
  }
  if (!rows.data.empty()) return;
  if (!rows.split.empty() || rows.limit != 0 || !rows.prompt_column.empty() ||
      !rows.id_column.empty())
    throw usage_error(
        "--split, --limit, --prompt-column and --id-column apply to a data set, not to --prompt; "
        "leave them out");
  if (std::ranges::any_of(options.prompts, &std::string::empty))
    throw usage_error("--prompt: the text is empty");
}

std::vector<Prompt> read(const Options& options, std::size_t& repeated,
                         std::vector<std::string>& warnings) {
  const RowOptions& rows = options.rows;
  if (rows.data.empty()) return prompts_of_words(options.prompts);
  const auto reader = open_first_rows(posix_filesystem(), rows);
  std::vector<Prompt> prompts =
      read_prompts(*reader, {.prompt = rows.prompt_column, .id = rows.id_column}, &repeated);
  warnings = row_warnings(*reader);
  return prompts;
}

AnswerFormat choose_format(const Options& options) {
  if (options.format.empty()) {
    if (!options.rows.output.empty())
      return options.rows.as_array() ? AnswerFormat::alpaca : AnswerFormat::ultrafeedback;
    return options.prompts.empty() ? AnswerFormat::ultrafeedback : AnswerFormat::text;
  }
  const AnswerFormat format = parse_answer_format(options.format);
  if (format == AnswerFormat::text && !options.rows.output.empty())
    throw usage_error(
        "--format text is for stdout only, as it does not say which prompt an answer belongs to; "
        "choose another --format for a file");
  return format;
}

void check_generator(const Options& options, AnswerFormat format) {
  if (options.generator.empty() || format == AnswerFormat::alpaca) return;
  throw usage_error(
      std::string("--generator is a column of AlpacaEval's format, but the format is ") +
      answer_format_name(format) + "; give --format alpaca, or leave it out");
}

GenerationJob make_job(const Options& options, const std::optional<AlphaSchedule>& alpha) {
  GenerationJob job;
  job.output = options.rows.destination();
  job.format = choose_format(options);
  check_generator(options, job.format);
  job.generator = options.generator;
  if (job.generator.empty()) job.generator = options.model.generator(alpha);
  job.samples = options.answering.samples;
  job.system = options.model.system;
  job.answer = options.answering.answer();
  job.skip_too_long = options.rows.skip_too_long;
  check(job);
  return job;
}

/// The answer as it is, except on a terminal, which would obey control characters in it.
std::string shown(const std::string& answer) {
  if (::isatty(STDOUT_FILENO) == 0) return answer;
  std::string text;
  for (std::size_t begin = 0;;) {
    const std::size_t tab = answer.find('\t', begin);
    text += escape_controls(answer.substr(begin, tab - begin));
    if (tab == std::string::npos) return text;
    text += '\t';
    begin = tab + 1;
  }
}

void print_row(AnswerFormat format, const Json& row) {
  std::cout << (format == AnswerFormat::text ? shown(row.get<std::string>()) : compact_json(row))
            << "\n"
            << std::flush;
}

void run(const Options& options, const CLI::App& command, const CommandContext& context) {
  options.rows.check_output();
  check_source(options);
  const auto alpha = options.model.schedule(options.extrapolation);
  const EngineSpec spec = options.model.spec(options.extrapolation, options.machine, command);
  const GenerationJob job = make_job(options, alpha);
  context.prepare(spec);
  std::size_t repeated = 0;
  std::vector<std::string> warnings;
  const std::vector<Prompt> prompts = read(options, repeated, warnings);
  const auto engine = context.open_engine(spec, alpha);
  TerminalRowProgress progress;
  GenerationReport report = run_generation(
      posix_filesystem(), *engine, prompts, job,
      [&](const Json& row) { print_row(job.format, row); }, &progress, context.cancellation);
  if (repeated > 0) {
    report.warnings.push_back(fmt::format(
        "{} rows repeat the id and prompt of an earlier row; each is answered once only",
        repeated));
  }
  std::ranges::move(warnings, std::back_inserter(report.warnings));
  print_warnings(report.warnings);
  if (job.output.file.empty()) {
    std::cerr << describe(report);
  } else {
    std::cout << (options.rows.json ? format_json(to_json(report)) : describe(report));
  }
}

void declare_rows(CLI::App& command, Options& options) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  make_repeatable(command.add_option("--prompt", options.prompts,
                                     "Prompt to answer instead of a data set; repeatable"),
                  "TEXT");
  command
      .add_option(
          "--format", options.format,
          "Output format: ultrafeedback (default), alpaca (default for .json), plain or text "
          "(default for --prompt on stdout)")
      ->type_name("SHAPE");
  options.rows.declare(command);
  command
      .add_option("--generator", options.generator,
                  "Model name in AlpacaEval's rows; default: MODEL and its α")
      ->type_name("NAME");
}

}  // namespace

std::function<void(const CommandContext&)> declare_generate(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("generate", "Answer the prompts of a data set");
  options->model.declare(
      *command,
      "A folder, a file (also .gguf), a Hugging Face id in the cache, BASE+ADAPTER, or a server: "
      "vllm=URL, llama-server=URL or openai=URL, each with #NAME where it has several models");
  options->model.server.declare_sampling(*command);
  declare_rows(*command, *options);
  options->extrapolation.declare(*command);
  options->answering.declare(*command);
  options->machine.declare(*command, "Most answers generated at the same time; default: 64");
  options->machine.declare_cache(*command);
  command->footer(
      "Example:\n"
      "  expo generate ALIGNED prompts.jsonl -o answers.jsonl --sft SFT --alpha 0.3");
  return [options, command](const CommandContext& context) { run(*options, *command, context); };
}

}  // namespace expo
