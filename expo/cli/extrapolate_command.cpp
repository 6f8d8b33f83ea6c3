#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/cli/command.h"
#include "expo/cli/options/alpha_options.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/extrapolation_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/extrapolation/adapter_job.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "expo/extrapolation/recipe/recipe.h"
#include "expo/extrapolation/write/output_place.h"

namespace expo {
namespace {

struct Options {
  std::string sft;
  std::string aligned;
  AlphaOptions alpha;
  std::string recipe;
  std::string rounding;
  std::optional<std::uint64_t> seed;
  std::string on_mismatch;
  bool like_original = false;
  bool resume = false;
  bool as_adapter = false;
  OutputOptions output;
};

/// Takes from the recipe what the command line leaves open.
template <class Value>
void fill(Value& option, const std::optional<std::string>& from_recipe) {
  if (option.empty() && from_recipe) option = *from_recipe;
}

/// Refuses what the command line says of rounding where it would have no effect.
void check_rounding(const Options& options) {
  if (options.like_original && !options.rounding.empty()) {
    throw usage_error(
        "--like-original rounds as the authors' script does; --rounding contradicts it");
  }
  const bool is_fixed =
      options.like_original || parse_rounding_word(options.rounding) == RoundingChoice::nearest;
  if (options.seed && is_fixed)
    throw usage_error("--seed is the seed of stochastic rounding, and nothing is rounded so");
}

void merge(Options& options, const Recipe& recipe) {
  fill(options.sft, recipe.sft);
  fill(options.aligned, recipe.aligned);
  fill(options.output.output, recipe.output);
  fill(options.output.out_dtype, recipe.out_dtype);
  fill(options.output.max_shard_size, recipe.max_shard_size);
  if (!options.like_original) fill(options.rounding, recipe.rounding);
  fill(options.on_mismatch, recipe.on_mismatch);
  if (!options.seed) options.seed = recipe.seed;
}

AlphaSchedule base_schedule(const Options& options, const Recipe& recipe) {
  if (auto given = options.alpha.base()) return *std::move(given);
  if (recipe.alpha && recipe.alpha->points.size() > 1)
    return AlphaSchedule::gradient(recipe.alpha->points, recipe.alpha->outside_layers);
  if (recipe.alpha) return AlphaSchedule(recipe.alpha->points.at(0));
  if (recipe.gamma) return AlphaSchedule(alpha_from_gamma(*recipe.gamma));
  throw usage_error(
      "give --alpha A (or --gamma G), how far to extrapolate; the paper's Table 3 found 0.1 to 0.5 "
      "for fully trained models, 2.5 and 8 for models trained on 20 % and 10 % of the data; `expo "
      "search` finds it on development prompts");
}

AlphaSchedule schedule(const Options& options, const Recipe& recipe) {
  AlphaSchedule result = base_schedule(options, recipe);
  for (const Recipe::Rule& rule : recipe.rules) {
    if (rule.alpha.points.size() > 1) {
      result.add_rule(rule.match, rule.alpha.points, rule.alpha.outside_layers);
    } else {
      result.add_rule(rule.match, rule.alpha.points.at(0));
    }
  }
  options.alpha.add_rules(result);
  return result;
}

RoundingChoice parse_rounding(const Options& options) {
  if (options.like_original) {
    if (const auto dtype = OutputOptions::parse_dtype(options.output.out_dtype);
        dtype && *dtype != DType::bf16) {
      throw usage_error(
          "--like-original writes bfloat16, as the authors' script does; --out-dtype contradicts "
          "it");
    }
    return RoundingChoice::like_original;
  }
  return parse_rounding_word(options.rounding);
}

ExtrapolationJob make_job(const Options& options, const Recipe& recipe,
                          const CommandContext& context) {
  ExtrapolationJob job;
  job.sft = options.sft;
  job.aligned = options.aligned;
  job.output = options.output.output;
  job.alpha = schedule(options, recipe);
  job.q8_0 = options.output.out_dtype == "q8_0" || options.output.out_dtype == "Q8_0";
  if (job.q8_0 && !OutputPlace::is_file(job.output)) {
    throw usage_error("--out-dtype q8_0 is a GGUF block type; name an output that ends in .gguf");
  }
  if (OutputPlace::is_file(job.output) && !options.output.max_shard_size.empty())
    throw usage_error("--max-shard-size is about checkpoint folders; a GGUF is one file");
  if (!job.q8_0) job.out_type = OutputOptions::parse_dtype(options.output.out_dtype);
  job.rounding = parse_rounding(options);
  job.seed = options.seed.value_or(0);
  if (!options.on_mismatch.empty()) job.on_mismatch = parse_mismatch_policy(options.on_mismatch);
  job.max_shard_size = OutputOptions::parse_shard_size(options.output.max_shard_size);
  job.threads = options.output.threads;
  job.overwrite = options.output.overwrite;
  job.resume = options.resume;
  job.dry_run = options.output.dry_run;
  job.allow_overflow = options.output.allow_overflow;
  job.command = context.command_line;
  return job;
}

void check_complete(const Options& options) {
  if (options.sft.empty() || options.aligned.empty()) {
    throw usage_error(
        "extrapolate: two checkpoints are needed: SFT, and ALIGNED, which was trained from it by "
        "DPO or RLHF");
  }
  if (options.output.output.empty())
    throw usage_error("extrapolate: no output is named; give -o OUT");
}

void run(Options options, const CommandContext& context) {
  check_rounding(options);
  Recipe recipe;
  if (!options.recipe.empty()) recipe = read_recipe(posix_filesystem(), options.recipe);
  merge(options, recipe);
  check_complete(options);
  const ExtrapolationJob job = make_job(options, recipe, context);
  TerminalProgress progress;
  const ExtrapolationReport report =
      options.as_adapter ? run_adapter_extrapolation(posix_filesystem(), hugging_face_environment(),
                                                     job, context.cancellation)
                         : run_extrapolation(posix_filesystem(), hugging_face_environment(), job,
                                             &progress, context.cancellation);
  print_notes(recipe.notes);
  if (report.rounding) print_notes({describe(*report.rounding)});
  print_warnings(report.warnings);
  std::cout << (options.output.json ? format_json(to_json(report)) : describe(report));
}

void declare_extrapolation(CLI::App& command, Options& options) {
  command.option_defaults()->group(help_section::kExtrapolation);
  options.alpha.declare(command);
  command
      .add_option(
          "--recipe", options.recipe,
          "YAML file with these settings, or a mergekit recipe equivalent to an extrapolation")
      ->type_name("FILE");
  command
      .add_option("--rounding", options.rounding,
                  "How weights are rounded: auto (default: to nearest if that keeps α, otherwise "
                  "stochastically), nearest or stochastic")
      ->type_name("HOW");
  command.add_option("--seed", options.seed, "Seed of stochastic rounding; default: 0")
      ->type_name("N")
      ->check(is_seed);
  command
      .add_option("--on-mismatch", options.on_mismatch,
                  "Tensors that do not fit: refuse (default), aligned (take ALIGNED's tensor), or "
                  "common-rows (extrapolate the rows that both have)")
      ->type_name("POLICY");
  command.add_flag(
      "--like-original", options.like_original,
      "Write bit for bit what the authors' script writes: bfloat16, rounded three times");
}

}  // namespace

std::function<void(const CommandContext&)> declare_extrapolate(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "extrapolate",
      "Write θ + α(θ − θ_sft), a better-aligned model, from an SFT and an aligned checkpoint");
  command->add_option("SFT", options->sft,
                      "θ_sft: a folder, a file, a Hugging Face id in the cache, or BASE+ADAPTER");
  command->add_option("ALIGNED", options->aligned,
                      "θ, trained from SFT by DPO or RLHF; may be a PEFT LoRA adapter over SFT");
  options->output.declare(*command, "ALIGNED's; also q8_0 for GGUF output");
  command->add_flag("--resume", options->resume,
                    "Resume an interrupted run that had the same settings");
  command->add_flag(
      "--as-adapter", options->as_adapter,
      "For a LoRA over SFT: write the adapter scaled by 1 + α instead of a merged checkpoint");
  declare_extrapolation(*command, *options);
  options->output.declare_machine(*command);
  command->footer("Example:\n  expo extrapolate SFT ALIGNED -o OUT --alpha 0.3");
  return [options](const CommandContext& context) { run(*options, context); };
}

}  // namespace expo
