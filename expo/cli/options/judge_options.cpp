#include "expo/cli/options/judge_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/arguments/number_checks.h"
#include "expo/cli/arguments/unused_options.h"
#include "expo/cli/options/engine_word.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr double kLargestSum = 1e6;

EngineWord judge_word(const std::string& judge) {
  EngineWord word = parse_engine_word(judge, "--judge");
  if (!word.server)
    throw usage_error(
        "--judge: a judge is asked on a server; expected openai=URL#NAME, vllm=URL#NAME or "
        "llama-server=URL#NAME");
  if (!word.further.empty())
    throw usage_error(
        "--judge: several servers are named, but one judge compares all answers; name one");
  if (word.served.empty())
    throw usage_error(
        "--judge: the name of the judge's model is missing, which its annotations carry; expected "
        "KIND=URL#NAME");
  return word;
}

}  // namespace

void JudgeServerOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kJudge);
  command
      .add_option("--judge", judge,
                  "The judge: openai=URL#NAME, vllm=URL#NAME or llama-server=URL#NAME")
      ->type_name("JUDGE");
  command
      .add_option("--judge-key-variable", key_variable,
                  "Environment variable that holds the key of the judge's server; default: no key "
                  "is sent")
      ->type_name("NAME");
  command
      .add_option("--judge-requests", requests,
                  "Most requests to the judge that are in flight; default: 8")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}))
      ->type_name("N");
  command
      .add_option("--judge-timeout", timeout,
                  "Longest wait for an answer of the judge; default: 600")
      ->check(is_number_from(0.1, 86400), limits_text(0.1, 86400))
      ->type_name("SECONDS");
  command
      .add_option("--judge-cache", cache,
                  "File that keeps the judge's replies; default: beside the output")
      ->type_name("FILE");
  command
      .add_option("--prompt-price", prompt_price,
                  "Dollars for a million tokens of prompts; known for gpt-4-1106-preview")
      ->check(is_number_from(0, kLargestSum), limits_text(0, kLargestSum))
      ->type_name("USD");
  command
      .add_option("--completion-price", completion_price,
                  "Dollars for a million tokens of answers; known for gpt-4-1106-preview")
      ->check(is_number_from(0, kLargestSum), limits_text(0, kLargestSum))
      ->type_name("USD");
  command
      .add_option("--budget", budget,
                  "Most dollars that this run may cost, whatever is in flight; default: no limit")
      ->check(is_number_from(0, kLargestSum), limits_text(0, kLargestSum))
      ->type_name("USD");
}

ChatServer JudgeServerOptions::server() const {
  const EngineWord word = judge_word(judge);
  return {.kind = *word.server,
          .url = word.where,
          .key_variable = key_variable,
          .key_option = "--judge-key-variable",
          .max_requests = requests,
          .answer_seconds = timeout};
}

JudgeOptions JudgeServerOptions::judge_options() const {
  JudgeOptions options;
  options.sampling.model = judge_word(judge).served;
  options.prices = prices(options.sampling.model);
  options.budget = budget;
  if (budget && !options.prices)
    throw usage_error(
        fmt::format("--budget: the prices of {} are not known; give them by --prompt-price and "
                    "--completion-price",
                    on_one_line(options.sampling.model)));
  return options;
}

void JudgeServerOptions::check_unused(const CLI::App& command, const std::string& why) {
  refuse_given(command,
               {"--judge-key-variable", "--judge-requests", "--judge-timeout", "--judge-cache",
                "--prompt-price", "--completion-price", "--budget"},
               why);
}

std::optional<TokenPrices> JudgeServerOptions::prices(const std::string& model) const {
  if (prompt_price.has_value() != completion_price.has_value())
    throw usage_error("--prompt-price and --completion-price belong together; give both");
  if (prompt_price) return TokenPrices{.prompt = *prompt_price, .completion = *completion_price};
  return published_prices(model);
}

}  // namespace expo
