#include "expo/cli/options/second_objectives.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "expo/cli/arguments/repeatable.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// What stands for something else in guards and in search.json.
constexpr std::string_view kTaken[]{"score",      "length",     "truncated",
                                    "repetition", "distinct_2", "implicit"};

bool is_name(std::string_view word) {
  const auto belongs = [](char letter) {
    const bool is_ascii = static_cast<unsigned char>(letter) < 0x80;
    return !is_ascii || (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z') || letter == '_' || letter == '-' || letter == '.';
  };
  return !word.empty() && word.front() != '-' && std::ranges::all_of(word, belongs);
}

AnswerObjective parse(const char* option, AnswerObjective::Kind kind, const std::string& word) {
  const std::size_t sign = word.find('=');
  const std::string name = word.substr(0, sign);
  if (sign == std::string::npos || !is_name(name) || trimmed(word.substr(sign + 1)).empty()) {
    throw usage_error(fmt::format(
        "{} '{}': expected NAME={}, where NAME consists of letters, digits and _-.", option,
        on_one_line(word), kind == AnswerObjective::Kind::reward ? "MODEL" : "COMMAND"));
  }
  if (std::ranges::find(kTaken, name) != std::end(kTaken)) {
    throw usage_error(
        fmt::format("{} '{}': the name '{}' stands for something else; choose another", option,
                    on_one_line(word), name));
  }
  return {kind, name, word.substr(sign + 1)};
}

}  // namespace

void SecondObjectives::declare(CLI::App& command) {
  make_repeatable(command.add_option("--second-reward-model", reward_models,
                                     "A further reward model, whose scores are shown and may be "
                                     "guarded but do not decide; repeatable"),
                  "NAME=MODEL");
  make_repeatable(
      command.add_option("--second-scorer", scorers, "A further program, likewise; repeatable"),
      "NAME=COMMAND");
  command.add_flag("--second-implicit", implicit,
                   "Show the pair's own log-probabilities likewise, under the name implicit");
}

std::vector<AnswerObjective> SecondObjectives::list() const {
  using Kind = AnswerObjective::Kind;
  std::vector<AnswerObjective> result;
  const auto add = [&](AnswerObjective objective) {
    for (const AnswerObjective& other : result) {
      if (other.name != objective.name) continue;
      throw usage_error(fmt::format(
          "two further objectives have the name '{}'; give each a name of its own", other.name));
    }
    result.push_back(std::move(objective));
  };
  for (const std::string& word : reward_models)
    add(parse("--second-reward-model", Kind::reward, word));
  for (const std::string& word : scorers) add(parse("--second-scorer", Kind::command, word));
  if (implicit) add({Kind::implicit, "implicit", ""});
  return result;
}

std::vector<std::string> SecondObjectives::names() const {
  std::vector<std::string> names;
  for (const AnswerObjective& each : list()) names.push_back(each.name);
  return names;
}

}  // namespace expo
