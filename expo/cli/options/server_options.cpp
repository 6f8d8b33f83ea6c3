#include "expo/cli/options/server_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/core/error.h"

namespace expo {

void ServerOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kServer);
  command
      .add_option(prefix + "tokenizer", tokenizer,
                  "Checkpoint with the served model's tokenizer and chat template; default: where "
                  "the server has read the model")
      ->type_name("MODEL");
  command
      .add_option(prefix + "key-variable", key_variable,
                  "Environment variable that holds the server's key; default: no key is sent")
      ->type_name("NAME");
  command
      .add_option(prefix + "answer-timeout", answer_timeout,
                  "Longest wait for one answer of a server; default: 600")
      ->type_name("SECONDS");
}

void ServerOptions::declare_sampling(CLI::App& command) {
  command.option_defaults()->group(help_section::kServer);
  command.add_flag("--allow-other-sampling", allow_other_sampling,
                   "Send sampling options also to servers that may read them in another way");
}

void ServerOptions::set(ServedSpec& spec) const {
  if (!(answer_timeout > 0 && answer_timeout <= kLongestAnswerSeconds)) {
    throw usage_error(
        fmt::format("{}answer-timeout: expected a number of seconds above 0, at most {:g}", prefix,
                    kLongestAnswerSeconds));
  }
  spec.tokenizer = tokenizer;
  spec.key_variable = key_variable;
  spec.answer_seconds = answer_timeout;
  spec.allow_other_sampling = allow_other_sampling;
  spec.option_prefix = prefix;
}

void ServerOptions::check_unused(const GivenOptions& given, const std::string& why) const {
  refuse_given(given,
               {prefix + "tokenizer", prefix + "key-variable", prefix + "answer-timeout",
                "--allow-other-sampling"},
               why);
}

}  // namespace expo
