#include "expo/cli/options/model_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/repeatable.h"
#include "expo/cli/options/engine_word.h"
#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// Parses KEY=JSON; a value that is not JSON is taken as text.
void add_variable(Json& variables, const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw usage_error("--template-variable: \"" + word +
                      "\" is not of the form KEY=JSON, for example enable_thinking=false");
  }
  const std::string value = word.substr(equals + 1);
  if (value == "True" || value == "False" || value == "None") {
    throw usage_error("--template-variable: JSON spells " + value + " as " +
                      (value == "None" ? "null" : lower_case(value)) + " (\"" + word +
                      "\" would be a string, which counts as true)");
  }
  const bool is_json = Json::accept(value);
  variables[word.substr(0, equals)] =
      is_json ? parse_python_json(value, "--template-variable") : Json(value);
}

}  // namespace

void ModelOptions::declare(CLI::App& command, const std::string& model_description) {
  command.option_defaults()->group(help_section::kModel);
  CLI::Option* option = command.add_option(name, model, model_description);
  if (name.starts_with("--")) {
    option->type_name("MODEL");
  } else {
    option->required();
  }
  declare_conversation(command);
  server.declare(command);
  command
      .add_option("--aligned", aligned,
                  "With --sft on vLLM: θ, on this disk; default: where the server has read its "
                  "model")
      ->type_name("MODEL");
  staging.declare(command);
}

void ModelOptions::declare_conversation(CLI::App& command) {
  command.option_defaults()->group(help_section::kModel);
  command.add_option("--system", system, "System turn for rows that have none of their own")
      ->type_name("TEXT");
  command
      .add_option("--chat-template", chat_template,
                  "Jinja file to use instead of the model's chat template")
      ->type_name("FILE");
  command.add_flag("--no-chat-template", no_chat_template,
                   "Give the model the text as it is, without a chat template");
  make_repeatable(
      command.add_option(
          "--template-variable", template_variables,
          "Extra variable for the chat template, such as enable_thinking=false; repeatable"),
      "KEY=JSON");
}

void ModelOptions::set_template(TemplateSpec& spec) const {
  if (no_chat_template &&
      (!chat_template.empty() || !system.empty() || !template_variables.empty()))
    throw usage_error(
        "--no-chat-template cannot be combined with --chat-template, --template-variable or "
        "--system, which act on a template; give one or the others");
  if (!chat_template.empty()) spec.chat_template = chat_template;
  spec.raw_text = no_chat_template;
  for (const std::string& word : template_variables) add_variable(spec.template_variables, word);
}

std::string ModelOptions::generator(const std::optional<AlphaSchedule>& alpha) const {
  return alpha ? model + " (alpha " + alpha->description() + ")" : model;
}

bool ModelOptions::is_served() const {
  return parse_engine_word(model, name).server.has_value();
}

std::optional<AlphaSchedule> ModelOptions::schedule(
    const ExtrapolationOptions& extrapolation) const {
  const auto kind = parse_engine_word(model, name).server;
  return kind && *kind != ServerKind::vllm ? extrapolation.served_schedule()
                                           : extrapolation.schedule();
}

ServedSpec ModelOptions::served_spec(const ExtrapolationOptions& extrapolation,
                                     const MachineOptions& machine,
                                     const GivenOptions& given) const {
  const EngineWord word = parse_engine_word(model, name);
  ServedSpec spec = served_spec_of(word, machine, server);
  if (word.server == ServerKind::vllm && !extrapolation.sft.empty()) {
    ServedPair& pair = spec.pair.emplace();
    pair.aligned = aligned;
    pair.dtype = machine.weight_type();
    pair.threads = machine.threads;
    extrapolation.set(pair);
    staging.set(pair);
  } else {
    refuse_given(
        given, {"--dtype", "--threads", "--sft", "--rounding", "--rounding-seed", "--on-mismatch"},
        "on a model that a server runs as it is");
    refuse_given(given, {"--aligned"}, "without --sft, on vLLM");
    StagingOptions::check_unused(given, "without --sft, on vLLM");
  }
  set_template(spec);
  if (spec.kind == ServerKind::openai && spec.tokenizer.empty() &&
      (spec.chat_template || !spec.template_variables.empty())) {
    throw usage_error(
        "--chat-template and --template-variable have no effect where the server applies its own "
        "template; give " +
        server.prefix + "tokenizer MODEL, so that it is applied here, or leave them out");
  }
  return spec;
}

EngineSpec ModelOptions::spec(const ExtrapolationOptions& extrapolation,
                              const MachineOptions& machine, const GivenOptions& given) const {
  if (!is_served()) {
    server.check_unused(given, "on a model that runs here, not on a server");
    StagingOptions::check_unused(given, "on a model that runs here, not on a server");
    refuse_given(given, {"--aligned"}, "on a model that runs here: " + name + " is θ itself");
    return embedded_spec(extrapolation, machine);
  }
  refuse_given(given, {"--device", "--deterministic", "--cache-size"},
               "on a model that a server runs");
  ServedSpec spec = served_spec(extrapolation, machine, given);
  check(EngineSpec(spec));
  return spec;
}

EmbeddedSpec ModelOptions::embedded_spec(const ExtrapolationOptions& extrapolation,
                                         const MachineOptions& machine) const {
  const EngineWord word = parse_engine_word(model, name);
  if (word.server)
    throw usage_error(word.where + ": this command runs its models itself; name a checkpoint");
  EmbeddedSpec spec;
  spec.model = word.where;
  set_template(spec);
  extrapolation.set(spec);
  machine.set(spec);
  check(EngineSpec(spec));
  return spec;
}

}  // namespace expo
