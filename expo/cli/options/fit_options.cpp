#include "expo/cli/options/fit_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/cli/options/data_folder.h"
#include "expo/core/error.h"

namespace expo {

void FitOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command.add_flag("--allow-missing", evaluation.rows.allow_missing,
                   "Compute the figures although rows are missing or have no preference");
  command.add_flag("--other-instructions", evaluation.rows.other_instructions,
                   "Do not take the rows for AlpacaEval's: no difficulties, no gamed rows");
  command.add_flag("--json", json, "Print the result as JSON");
  command.option_defaults()->group(help_section::kLengthControl);
  command
      .add_option("--alpaca-eval-data", alpaca_eval_data,
                  "Folder with AlpacaEval's df_gamed.csv, in place of the data that ship with expo")
      ->type_name("DIR");
  command
      .add_option("--regularisation", evaluation.regularisation,
                  "liblinear's C of the fit; default: by cross-validation, or 21.544")
      ->check(is_number_from(1e-6, 1e6), limits_text(1e-6, 1e6))
      ->type_name("C");
  command
      .add_option("--resamples", evaluation.resamples,
                  "Resamples of the instructions for the intervals; default: 2000")
      ->check(CLI::Range(100, 1000000))
      ->type_name("N");
  command.add_option("--seed", evaluation.seed, "Seed of the resamples; default: 0")
      ->check(is_seed, "")
      ->type_name("N");
}

void FitOptions::check() const {
  if (evaluation.rows.other_instructions && !alpaca_eval_data.empty())
    throw usage_error(
        "--alpaca-eval-data has no effect with --other-instructions, which leaves that data out of "
        "the fit; give one of them");
}

ReferenceData FitOptions::reference() const {
  // Such rows need nothing of it, so they can be evaluated where the data do not ship.
  if (evaluation.rows.other_instructions) return {};
  std::optional<std::filesystem::path> official;
  if (!alpaca_eval_data.empty()) official = alpaca_eval_data;
  return read_reference_data(posix_filesystem(), shipped_data_folder("alpaca_eval"), official);
}

}  // namespace expo
