#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>

#include "expo/cli/alpha_options.h"
#include "expo/cli/command.h"
#include "expo/cli/model_options.h"
#include "expo/cli/number_checks.h"
#include "expo/cli/output_options.h"
#include "expo/cli/run_text.h"
#include "expo/cli/terminal_progress.h"
#include "expo/core/byte_size.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/engine/generation_job.h"
#include "expo/text/row_reader.h"

namespace expo {
namespace {

struct Options {
  ModelOptions model;
  RowOptions rows;
  std::vector<std::string> prompts;
  std::string format;
  std::string generator;
  std::uint32_t samples = 1;
  std::string sft;
  AlphaOptions alpha;
  std::string rounding;
  std::optional<std::uint64_t> rounding_seed;
  std::string on_mismatch;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::vector<TokenId> stop_tokens;
  bool ignore_eos = false;
  std::size_t max_new_tokens = 2048;
  std::size_t batch_size = 64;
  std::string cache_size = "4GB";
};

std::vector<Prompt> prompts_of_words(const std::vector<std::string>& texts) {
  std::vector<Prompt> prompts;
  for (const std::string& text : texts) {
    const std::string number = std::to_string(prompts.size());
    if (text.empty()) throw usage_error("--prompt: the text is empty");
    prompts.push_back({number, Json::array({{{"role", "user"}, {"content", text}}}),
                       Json{{"prompt", text}}, "--prompt " + std::to_string(prompts.size() + 1)});
  }
  return prompts;
}

std::vector<Prompt> read(const Options& options, std::size_t& repeated,
                         std::vector<std::string>& warnings) {
  const RowOptions& rows = options.rows;
  if (options.prompts.empty() == rows.data.empty()) {
    throw usage_error(rows.data.empty()
                          ? "generate: what is to be answered? Give a data set or --prompt TEXT"
                          : "generate: a data set and --prompt are both given; give one of them");
  }
  if (rows.data.empty()) {
    if (!rows.split.empty() || rows.limit != 0 || !rows.prompt_column.empty() ||
        !rows.id_column.empty())
      throw usage_error(
          "--split, --limit, --prompt-column and --id-column are about a data set, and --prompt is "
          "none");
    return prompts_of_words(options.prompts);
  }
  const auto reader = open_first_rows(posix_filesystem(), rows);
  std::vector<Prompt> prompts =
      read_prompts(*reader, {.prompt = rows.prompt_column, .id = rows.id_column}, &repeated);
  warnings = row_warnings(*reader);
  return prompts;
}

/// Refuses options that say how the model moves where nothing of what they are about happens.
void check_moving(const Options& options) {
  if (options.sft.empty() &&
      (!options.rounding.empty() || options.rounding_seed || !options.on_mismatch.empty())) {
    throw usage_error(
        "--rounding, --rounding-seed and --on-mismatch are about a model that moves; give --sft "
        "MODEL and --alpha A, or leave them out");
  }
  if (options.rounding_seed && parse_rounding_word(options.rounding) == RoundingChoice::nearest) {
    throw usage_error(
        "--rounding-seed is the seed of stochastic rounding; give --rounding auto or stochastic, "
        "or leave it out");
  }
}

/// How far the model is to move; nothing for a model as it is.
std::optional<AlphaSchedule> schedule(const Options& options) {
  auto result = options.alpha.base();
  if (!result && !options.alpha.alpha_for.empty()) result = AlphaSchedule(0);
  if (result) options.alpha.add_rules(*result);
  if (result.has_value() == options.sft.empty()) {
    throw usage_error(options.sft.empty()
                          ? "--alpha needs --sft MODEL, the checkpoint that MODEL was trained from"
                          : "--sft needs --alpha A (or --gamma G): how far to go from it");
  }
  check_moving(options);
  return result;
}

EmbeddedSpec make_spec(const Options& options) {
  EmbeddedSpec spec = options.model.spec();
  if (!options.sft.empty()) spec.sft = options.sft;
  spec.rounding = parse_rounding_word(options.rounding);
  spec.rounding_seed = options.rounding_seed.value_or(0);
  if (!options.on_mismatch.empty()) spec.on_mismatch = parse_mismatch_policy(options.on_mismatch);
  spec.max_sequences = options.batch_size;
  spec.cache_bytes = parse_byte_size(options.cache_size);
  return spec;
}

AnswerFormat choose_format(const Options& options) {
  if (options.format.empty()) {
    if (!options.rows.output.empty())
      return options.rows.as_array() ? AnswerFormat::alpaca : AnswerFormat::ultrafeedback;
    return options.prompts.empty() ? AnswerFormat::ultrafeedback : AnswerFormat::text;
  }
  const AnswerFormat format = parse_answer_format(options.format);
  if (format == AnswerFormat::text && !options.rows.output.empty())
    throw usage_error("--format text is for stdout; a file takes rows that say whose answer it is");
  return format;
}

void check_generator(const Options& options, AnswerFormat format) {
  if (options.generator.empty() || format == AnswerFormat::alpaca) return;
  throw usage_error(std::string("--generator is a column of AlpacaEval's rows, and these are ") +
                    answer_format_name(format) + "; give --format alpaca, or leave it out");
}

GenerationJob make_job(const Options& options, const std::optional<AlphaSchedule>& alpha) {
  GenerationJob job;
  job.output = options.rows.destination();
  job.format = choose_format(options);
  check_generator(options, job.format);
  job.generator = options.generator;
  if (job.generator.empty()) {
    job.generator = options.model.model;
    if (alpha) job.generator += " (alpha " + alpha->description() + ")";
  }
  job.samples = options.samples;
  job.system = options.model.system;
  job.answer = {options.sampling,
                {.tokens = options.stop_tokens,
                 .strings = options.stop,
                 .max_tokens = options.max_new_tokens},
                options.ignore_eos};
  job.skip_too_long = options.rows.skip_too_long;
  return job;
}

/// An answer as it is, but on a terminal, which would do what control characters tell it.
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

void run(const Options& options, const CommandContext& context) {
  options.rows.check_output();
  const auto alpha = schedule(options);
  const EmbeddedSpec spec = make_spec(options);
  const GenerationJob job = make_job(options, alpha);
  std::size_t repeated = 0;
  std::vector<std::string> warnings;
  const std::vector<Prompt> prompts = read(options, repeated, warnings);
  const auto engine = context.open_embedded(posix_filesystem(), hugging_face_environment(), spec);
  if (alpha) engine->move_to(*alpha, context.cancellation);
  print_warnings(engine->describe().warnings);
  print_notes(engine->describe().notes);
  TerminalRowProgress progress;
  GenerationReport report = run_generation(
      posix_filesystem(), *engine, prompts, job,
      [&](const Json& row) { print_row(job.format, row); }, &progress, context.cancellation);
  if (repeated > 0) {
    report.warnings.push_back(fmt::format(
        "{} rows repeat id and prompt of an earlier one, and are answered once", repeated));
  }
  std::ranges::move(warnings, std::back_inserter(report.warnings));
  print_warnings(report.warnings);
  if (job.output.file.empty()) {
    std::cerr << describe(report);
  } else {
    std::cout << (options.rows.json ? format_json(to_json(report)) : describe(report));
  }
}

void declare_sampling(CLI::App& command, Options& options) {
  SamplingOptions& sampling = options.sampling;
  command.add_option("--temperature", sampling.temperature, "0 (default): the likeliest token")
      ->type_name("T");
  command
      .add_option("--top-k", sampling.top_k, "Draw from the K likeliest tokens; 0 (default): all")
      ->type_name("K");
  command
      .add_option("--top-p", sampling.top_p,
                  "Draw from the likeliest tokens that make up P; 1 (default): all")
      ->type_name("P");
  command
      .add_option("--min-p", sampling.min_p,
                  "Draw from tokens at least P times as likely as the likeliest; default: 0")
      ->type_name("P");
  command.add_option("--seed", sampling.seed, "Seed of the random draws; default: 0")
      ->type_name("N")
      ->check(is_seed);
  command.add_option("--n", options.samples, "Answers to each prompt; default: 1")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
}

void declare_penalties(CLI::App& command, SamplingOptions& sampling) {
  command
      .add_option("--presence-penalty", sampling.presence_penalty,
                  "Off the logit of what the answer holds, -2 to 2; default: 0")
      ->type_name("X");
  command
      .add_option("--frequency-penalty", sampling.frequency_penalty,
                  "The same, once for each time; default: 0")
      ->type_name("X");
  command
      .add_option("--repetition-penalty", sampling.repetition_penalty,
                  "Scales down what prompt or answer hold; 1 (default): not")
      ->type_name("R");
}

void declare_ends(CLI::App& command, Options& options) {
  command
      .add_option("--max-new-tokens", options.max_new_tokens,
                  "Tokens of an answer at most; default: 2048")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->type_name("N");
  command.add_option("--stop", options.stop, "Text that ends an answer; repeatable")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command
      .add_option("--stop-token-id", options.stop_tokens,
                  "A token that ends an answer, beside the model's own; repeatable")
      ->type_name("ID")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", options.ignore_eos, "The model's end tokens end no answer");
}

void declare_extrapolated(CLI::App& command, Options& options) {
  command
      .add_option("--sft", options.sft,
                  "θ_sft, from which MODEL was trained: answer from θ + α(θ − θ_sft), unwritten")
      ->type_name("MODEL");
  options.alpha.declare(command);
  command
      .add_option("--rounding", options.rounding,
                  "Of weights: auto (default): to nearest where that keeps α, else stochastic")
      ->type_name("HOW");
  command
      .add_option("--rounding-seed", options.rounding_seed,
                  "Seed of stochastic rounding; default: 0")
      ->type_name("N")
      ->check(is_seed);
  command
      .add_option("--on-mismatch", options.on_mismatch,
                  "Tensors that do not fit: refuse (default), aligned or common-rows")
      ->type_name("POLICY");
}

}  // namespace

std::function<void(const CommandContext&)> declare_generate(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("generate", "Answer the prompts of a data set");
  options->model.declare(
      *command, "A folder, a file, a Hugging Face id in the cache, or BASE+ADAPTER; also a .gguf");
  options->rows.declare(*command);
  command->add_option("--prompt", options->prompts, "Answer this instead; repeatable")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command
      ->add_option(
          "--format", options->format,
          "ultrafeedback (default), alpaca (default for .json), plain or text (default for "
          "--prompt on stdout)")
      ->type_name("SHAPE");
  command
      ->add_option("--generator", options->generator,
                   "AlpacaEval's name of the model; default: MODEL and its α")
      ->type_name("NAME");
  declare_extrapolated(*command, *options);
  declare_sampling(*command, *options);
  declare_penalties(*command, options->sampling);
  declare_ends(*command, *options);
  command
      ->add_option("--batch-size", options->batch_size,
                   "Answers that are written at the same time, at most; default: 64")
      ->check(CLI::Range(std::size_t{1}, std::size_t{65536}))
      ->type_name("N");
  command
      ->add_option("--cache-size", options->cache_size,
                   "Memory for keys and values, at most; default: 4GB")
      ->type_name("SIZE");
  return [options](const CommandContext& context) { run(*options, context); };
}

}  // namespace expo
