#include "expo/cli/options/alpha_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/repeatable.h"
#include "expo/core/error.h"

namespace expo {
namespace {

/// Parses REGEX=A. The last '=' separates the two, because the expression may itself contain one.
void add_rule(AlphaSchedule& schedule, const std::string& rule) {
  const std::size_t equals = rule.rfind('=');
  std::size_t parsed = 0;
  double alpha = 0;
  try {
    if (equals != std::string::npos && equals > 0)
      alpha = std::stod(rule.substr(equals + 1), &parsed);
  } catch (const std::exception&) {
    parsed = 0;
  }
  if (parsed == 0 || equals + 1 + parsed != rule.size()) {
    throw usage_error("--alpha-for: \"" + rule +
                      "\" is not of the form REGEX=A, for example 'layers\\.1[0-9]\\.=0.5'");
  }
  schedule.add_rule(rule.substr(0, equals), alpha);
}

}  // namespace

void AlphaOptions::declare(CLI::App& command) {
  command.add_option("--alpha", alpha, "How far to extrapolate: any finite number")->type_name("A");
  command.add_option("--gamma", gamma, "The same in the paper's equation 1: α = 1/γ − 1")
      ->type_name("G");
  make_repeatable(command.add_option(
                      "--alpha-for", alpha_for,
                      "A different α for tensors whose name matches; repeatable, last match wins"),
                  "REGEX=A");
}

std::optional<AlphaSchedule> AlphaOptions::base() const {
  if (alpha && gamma) throw usage_error("--alpha and --gamma set the same thing; give one of them");
  if (alpha) return AlphaSchedule(*alpha);
  if (gamma) return AlphaSchedule(alpha_from_gamma(*gamma));
  return std::nullopt;
}

void AlphaOptions::add_rules(AlphaSchedule& schedule) const {
  for (const std::string& rule : alpha_for) add_rule(schedule, rule);
}

RoundingChoice parse_rounding_word(const std::string& word) {
  if (word.empty()) return RoundingChoice::automatic;
  if (const auto choice = rounding_choice_from_user(word)) return *choice;
  throw usage_error("--rounding: \"" + word +
                    "\" is not known; expected auto, nearest or stochastic");
}

}  // namespace expo
