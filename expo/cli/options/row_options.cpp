#include "expo/cli/options/row_options.h"

#include <CLI/CLI.hpp>

#include <optional>

#include "expo/cli/arguments/help_sections.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {

void RowOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command.add_option("DATA", data, "A .jsonl, .json or .parquet file, or the folder of a data set");
  command
      .add_option("-o,--output", output,
                  "File to write, as a JSON array if its name ends in .json; it appears whole or "
                  "not at all; default: stdout")
      ->type_name("FILE");
  command.add_flag("--resume", resume, "Resume an interrupted run that had the same settings");
  command.add_flag("--overwrite", overwrite,
                   "Replace FILE, and discard what an interrupted run has left");
  command.add_flag("--json", json, "Print the summary as one JSON object; needs -o");
  declare_reading(command);
}

void RowOptions::declare_reading(CLI::App& command) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command.add_option("--limit", limit, "Read only the first N rows")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
      ->type_name("N");
  command.add_option("--split", split, "Split to read, if DATA is a folder with several")
      ->type_name("NAME");
  command.add_flag("--skip-too-long", skip_too_long,
                   "Leave out rows that do not fit the model's context instead of refusing them");
  command
      .add_option(
          "--prompt-column", prompt_column,
          "Column of the prompts; default: prompt, instruction, messages, question or query")
      ->type_name("NAME");
  command
      .add_option("--id-column", id_column,
                  "Column of the rows' ids; default: prompt_id or id, otherwise the row's number")
      ->type_name("NAME");
}

bool RowOptions::as_array() const {
  return lower_case(std::filesystem::path(output).extension().string()) == ".json";
}

void RowOptions::check_output() const {
  if (!output.empty() || (!resume && !overwrite && !json)) return;
  throw usage_error(std::string(resume      ? "--resume"
                                : overwrite ? "--overwrite"
                                            : "--json") +
                    ": without -o FILE the rows go to stdout; name a file");
}

RowOutput RowOptions::destination() const {
  RowOutput result;
  result.file = output;
  result.as_array = as_array();
  result.overwrite = overwrite;
  result.resume = resume;
  if (!data.empty()) result.inputs.emplace_back(data);
  return result;
}

std::unique_ptr<RowReader> open_first_rows(Filesystem& filesystem, const RowOptions& options) {
  std::optional<std::string> split;
  if (!options.split.empty()) split = options.split;
  auto rows = open_rows(filesystem, options.data, split);
  return options.limit == 0 ? std::move(rows) : first_rows(std::move(rows), options.limit);
}

}  // namespace expo
