#include "expo/cli/options/answering_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/options/help_sections.h"
#include "expo/cli/options/number_checks.h"

namespace expo {

void AnsweringOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kSampling);
  command.add_option("--temperature", sampling.temperature, "0 (default): the likeliest token")
      ->type_name("T");
  command
      .add_option("--max-new-tokens", max_new_tokens, "Tokens of an answer at most; default: 2048")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->type_name("N");
  command.add_option("--n", samples, "Answers to each prompt; default: 1")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  command.add_option("--seed", sampling.seed, "Seed of the random draws; default: 0")
      ->type_name("N")
      ->check(is_seed);
  declare_filters(command);
  declare_penalties(command);
  declare_ends(command);
}

void AnsweringOptions::declare_filters(CLI::App& command) {
  command
      .add_option("--top-p", sampling.top_p,
                  "Draw from the likeliest tokens that make up P; 1 (default): all")
      ->type_name("P");
  command
      .add_option("--top-k", sampling.top_k, "Draw from the K likeliest tokens; 0 (default): all")
      ->type_name("K");
  command
      .add_option("--min-p", sampling.min_p,
                  "Draw from tokens at least P times as likely as the likeliest; default: 0")
      ->type_name("P");
}

void AnsweringOptions::declare_penalties(CLI::App& command) {
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

void AnsweringOptions::declare_ends(CLI::App& command) {
  command.add_option("--stop", stop, "Text that ends an answer; repeatable")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command
      .add_option("--stop-token-id", stop_tokens,
                  "A token that ends an answer, beside the model's own; repeatable")
      ->type_name("ID")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", ignore_eos, "The model's end tokens end no answer");
}

AnswerOptions AnsweringOptions::answer() const {
  return {
      sampling, {.tokens = stop_tokens, .strings = stop, .max_tokens = max_new_tokens}, ignore_eos};
}

}  // namespace expo
