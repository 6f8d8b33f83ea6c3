#include "expo/cli/model_options.h"

#include <CLI/CLI.hpp>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// KEY=JSON; what is no JSON is text.
void add_variable(Json& variables, const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw usage_error("--template-variable: \"" + word +
                      "\" is not of the form KEY=JSON, for example enable_thinking=false");
  }
  const std::string value = word.substr(equals + 1);
  if (value == "True" || value == "False" || value == "None") {
    throw usage_error("--template-variable: in JSON " + value + " is " +
                      (value == "None" ? "null" : lower_case(value)) + " (\"" + word +
                      "\" would be a text, which counts as true)");
  }
  const bool is_json = Json::accept(value);
  variables[word.substr(0, equals)] =
      is_json ? parse_json(value, "--template-variable") : Json(value);
}

}  // namespace

void ModelOptions::declare(CLI::App& command, const std::string& model_description) {
  command.add_option("MODEL", model, model_description)->required();
  command
      .add_option("--device", device,
                  "auto (default: a GPU where there is a usable one), cpu, cuda or cuda:N")
      ->type_name("WHERE");
  command
      .add_option("--dtype", dtype,
                  "auto (default: bf16, but f32 for a float32 checkpoint), f32 or bf16")
      ->type_name("TYPE");
  command
      .add_option("--chat-template", chat_template, "A Jinja file instead of the model's template")
      ->type_name("FILE");
  command.add_flag("--no-chat-template", no_chat_template,
                   "The model is shown the text as it is, without a chat template");
  command
      .add_option("--template-variable", template_variables,
                  "A further variable of the template, as enable_thinking=false; repeatable")
      ->type_name("KEY=JSON")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command.add_option("--system", system, "A system turn for rows that have none of their own")
      ->type_name("TEXT");
  command.add_option("--threads", threads, "Threads; default: as many as there are processors")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command.add_flag("--deterministic", deterministic,
                   "The same bytes whatever runs beside a row, and after --resume; free on a CPU");
}

EmbeddedSpec ModelOptions::spec() const {
  if (no_chat_template &&
      (!chat_template.empty() || !system.empty() || !template_variables.empty()))
    throw usage_error(
        "--no-chat-template leaves nothing for --chat-template, --template-variable and --system "
        "to act on; give one or the others");
  EmbeddedSpec spec;
  spec.model = model;
  spec.device = device;
  spec.dtype = dtype;
  if (!chat_template.empty()) spec.chat_template = chat_template;
  spec.raw_text = no_chat_template;
  for (const std::string& word : template_variables) add_variable(spec.template_variables, word);
  spec.threads = threads;
  spec.deterministic = deterministic;
  return spec;
}

void RowOptions::declare(CLI::App& command) {
  command.add_option("DATA", data, "A .jsonl, .json or .parquet file, or a data set's folder");
  command.add_option("--split", split, "The split of a data set's folder")->type_name("NAME");
  command.add_option("--limit", limit, "Read the first N rows only")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
      ->type_name("N");
  command
      .add_option("--prompt-column", prompt_column,
                  "Default: prompt, instruction, messages, question or query")
      ->type_name("NAME");
  command.add_option("--id-column", id_column, "Default: prompt_id or id, else the row's number")
      ->type_name("NAME");
  command
      .add_option("-o,--output", output,
                  "File to write, a JSON array where it ends in .json; it appears whole or not at "
                  "all; default: stdout")
      ->type_name("FILE");
  command.add_flag("--skip-too-long", skip_too_long,
                   "Leave out rows that do not fit the model's context instead of refusing them");
  command.add_flag("--overwrite", overwrite, "Replace FILE, and drop what a run has left");
  command.add_flag("--resume", resume, "Go on with an interrupted run of the same settings");
  command.add_flag("--json", json, "Print the summary as one JSON object; needs -o");
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
  RowOutput result{output, as_array(), overwrite, resume, {}};
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
