#include "expo/cli/options/output_options.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "expo/cli/arguments/help_sections.h"
#include "expo/core/byte_size.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {

void OutputOptions::declare(CLI::App& command, const std::string& default_dtype) {
  command.option_defaults()->group(help_section::kInputAndOutput);
  command.add_option("-o,--output", output, "Folder to write; it appears whole or not at all")
      ->type_name("OUT");
  command
      .add_option("--out-dtype", out_dtype,
                  "Type of the written weights: bf16, f16, f32 or f64 (or bfloat16, float16, …); "
                  "default: " +
                      default_dtype)
      ->type_name("TYPE");
  command
      .add_option("--max-shard-size", max_shard_size,
                  "Largest weight file, such as 500MB or 2GiB; default: 5GB")
      ->type_name("SIZE");
  command.add_flag("--overwrite", overwrite,
                   "Replace an existing checkpoint at OUT once the new one is complete");
  command.add_flag("--dry-run", dry_run,
                   "Report what would be done and what would fail, without writing");
  command.add_flag(
      "--allow-overflow", allow_overflow,
      "Write weights that overflow to infinity in the output type instead of stopping");
  command.add_flag("--json", json, "Print the result as one JSON object");
}

void OutputOptions::declare_machine(CLI::App& command) {
  command.option_defaults()->group(help_section::kMachine);
  command
      .add_option("--threads", threads, "Number of threads; default: processors + 2, at most 16")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

std::optional<DType> OutputOptions::parse_dtype(const std::string& word) {
  if (word.empty()) return std::nullopt;
  const auto dtype = dtype_from_user(word);
  if (!dtype)
    throw usage_error("--out-dtype: \"" + word +
                      "\" is not a type; expected bf16, f16, f32 or f64");
  return dtype;
}

std::uint64_t OutputOptions::parse_shard_size(const std::string& word) {
  return word.empty() ? 5'000'000'000 : parse_byte_size(word);
}

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    std::cerr << "warning: " << on_one_line(warning) << "\n";
  }
}

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    if (!note.empty()) std::cerr << "note: " << on_one_line(note) << "\n";
  }
}

}  // namespace expo
