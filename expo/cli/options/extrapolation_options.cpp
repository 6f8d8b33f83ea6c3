#include "expo/cli/options/extrapolation_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/core/error.h"

namespace expo {

void ExtrapolationOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kExtrapolation);
  command
      .add_option("--sft", sft,
                  "θ_sft, from which MODEL was trained: run θ + α(θ − θ_sft) without writing it")
      ->type_name("MODEL");
  alpha.declare(command);
  declare_rounding(command,
                   "How extrapolated weights are rounded: auto (default: to nearest if that keeps "
                   "α, otherwise stochastically), nearest or stochastic");
}

void ExtrapolationOptions::declare_rounding(CLI::App& command,
                                            const std::string& rounding_description) {
  command.option_defaults()->group(help_section::kExtrapolation);
  command.add_option("--rounding", rounding, rounding_description)->type_name("HOW");
  command.add_option("--rounding-seed", rounding_seed, "Seed of stochastic rounding; default: 0")
      ->type_name("N")
      ->check(is_seed);
  command
      .add_option("--on-mismatch", on_mismatch,
                  "Tensors that do not fit: refuse (default), aligned or common-rows")
      ->type_name("POLICY");
}

void ExtrapolationOptions::check_moving() const {
  if (sft.empty() && (!rounding.empty() || rounding_seed || !on_mismatch.empty())) {
    throw usage_error(
        "--rounding, --rounding-seed and --on-mismatch apply only to an extrapolated model; give "
        "--sft MODEL and --alpha A, or leave them out");
  }
  check_rounding_words();
}

void ExtrapolationOptions::check_rounding_words() const {
  if (parse_rounding_word(rounding) == RoundingChoice::nearest && rounding_seed) {
    throw usage_error(
        "--rounding-seed is the seed of stochastic rounding; give --rounding auto or stochastic, "
        "or leave it out");
  }
}

std::optional<AlphaSchedule> ExtrapolationOptions::schedule() const {
  auto result = alpha.base();
  if (!result && !alpha.alpha_for.empty()) result = AlphaSchedule(0);
  if (result) alpha.add_rules(*result);
  if (result.has_value() == sft.empty()) {
    throw usage_error(
        sft.empty()
            ? "--alpha needs --sft MODEL, the checkpoint that MODEL was trained from"
            : "--sft needs --alpha A (or --gamma G), which says how far to extrapolate from it");
  }
  check_moving();
  return result;
}

std::optional<AlphaSchedule> ExtrapolationOptions::served_schedule() const {
  if (!alpha.alpha_for.empty())
    throw usage_error("--alpha-for has no effect on a model that a server runs; give one --alpha");
  return alpha.base();
}

void ExtrapolationOptions::set(EmbeddedSpec& spec) const {
  if (!sft.empty()) spec.sft = sft;
  spec.rounding = parse_rounding_word(rounding);
  spec.rounding_seed = rounding_seed.value_or(0);
  if (!on_mismatch.empty()) spec.on_mismatch = parse_mismatch_policy(on_mismatch);
}

void ExtrapolationOptions::set(ServedPair& pair) const {
  pair.sft = sft;
  pair.rounding = parse_rounding_word(rounding);
  pair.rounding_seed = rounding_seed.value_or(0);
  if (!on_mismatch.empty()) pair.on_mismatch = parse_mismatch_policy(on_mismatch);
}

}  // namespace expo
