#include "expo/cli/options/answering_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/cli/arguments/repeatable.h"

namespace expo {

void AnsweringOptions::declare(CLI::App& command, const AnsweringNames& names) {
  command.option_defaults()->group(help_section::kSampling);
  command
      .add_option("--temperature", sampling.temperature,
                  fmt::format("0 is greedy: always the most likely token; default: {:g}",
                              sampling.temperature))
      ->type_name("T");
  command
      .add_option("--max-new-tokens", max_new_tokens,
                  fmt::format("Longest answer, in tokens; default: {}", max_new_tokens))
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->type_name("N");
  if (!names.samples.empty()) {
    command
        .add_option(names.samples, samples,
                    fmt::format("Number of answers to each prompt; default: {}", samples))
        ->check(CLI::Range(1, 1'000'000))
        ->type_name("N");
  }
  command.add_option(names.seed, sampling.seed, "Seed of the random draws; default: 0")
      ->type_name("N")
      ->check(is_seed);
  declare_filters(command);
  declare_penalties(command);
  declare_ends(command);
}

void AnsweringOptions::declare_filters(CLI::App& command) {
  command
      .add_option("--top-p", sampling.top_p,
                  fmt::format("Sample from the most likely tokens of total probability P; 1: all; "
                              "default: {:g}",
                              sampling.top_p))
      ->type_name("P");
  command
      .add_option(
          "--top-k", sampling.top_k,
          fmt::format("Sample from the K most likely tokens; 0: all; default: {}", sampling.top_k))
      ->type_name("K");
  command
      .add_option(
          "--min-p", sampling.min_p,
          "Sample from tokens at least P times as likely as the most likely one; default: 0")
      ->type_name("P");
}

void AnsweringOptions::declare_penalties(CLI::App& command) {
  command
      .add_option(
          "--presence-penalty", sampling.presence_penalty,
          fmt::format("Subtracted from the logit of every token already in the answer, -2 to 2; "
                      "default: {:g}",
                      sampling.presence_penalty))
      ->type_name("X");
  command
      .add_option("--frequency-penalty", sampling.frequency_penalty,
                  fmt::format("The same, once for each occurrence, -2 to 2; default: {:g}",
                              sampling.frequency_penalty))
      ->type_name("X");
  command
      .add_option("--repetition-penalty", sampling.repetition_penalty,
                  "Above 1, makes tokens of the prompt or the answer less likely; 1 (default): off")
      ->type_name("R");
}

void AnsweringOptions::declare_ends(CLI::App& command) {
  make_repeatable(command.add_option("--stop", stop, "Text that ends an answer; repeatable"),
                  "TEXT");
  make_repeatable(
      command.add_option("--stop-token-id", stop_tokens,
                         "Id of a token that ends an answer, besides the model's own; repeatable"),
      "ID");
  command.add_flag("--ignore-eos", ignore_eos, "Go on past the model's end-of-sequence tokens");
}

AnswerOptions AnsweringOptions::answer() const {
  return {
      sampling, {.tokens = stop_tokens, .strings = stop, .max_tokens = max_new_tokens}, ignore_eos};
}

AnsweringOptions answering_of_the_paper() {
  AnsweringOptions options;
  options.sampling.temperature = 0.7;
  options.sampling.top_k = 40;
  options.sampling.top_p = 0.9;
  options.sampling.presence_penalty = 0.1;
  options.sampling.frequency_penalty = 0.1;
  return options;
}

void drop_unused_filters(SamplingOptions& sampling) {
  if (sampling.temperature > 0) return;
  const SamplingOptions paper = answering_of_the_paper().sampling;
  if (sampling.top_k == paper.top_k) sampling.top_k = 0;
  if (sampling.top_p == paper.top_p) sampling.top_p = 1;
}

}  // namespace expo
