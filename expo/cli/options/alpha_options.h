#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say how far to extrapolate.
struct AlphaOptions {
  std::optional<double> alpha;
  std::optional<double> gamma;
  std::vector<std::string> alpha_for;

  void declare(CLI::App& command);
  /// The α of --alpha or --gamma, std::nullopt if neither is given. Throws Error(usage) if both are
  /// given.
  std::optional<AlphaSchedule> base() const;
  /// Adds the rules of --alpha-for. Throws Error(usage) for a rule that is not of the form REGEX=A.
  void add_rules(AlphaSchedule& schedule) const;
};

/// Parses the value of --rounding; an empty word means automatic. Throws Error(usage) for an
/// unknown word.
RoundingChoice parse_rounding_word(const std::string& word);

}  // namespace expo
