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
  /// --alpha or --gamma, nothing where neither is given. Throws Error(usage) for both.
  std::optional<AlphaSchedule> base() const;
  /// Adds the rules of --alpha-for. Throws Error(usage) for one that is not of the form REGEX=A.
  void add_rules(AlphaSchedule& schedule) const;
};

/// Of --rounding: automatic for an empty word; Error(usage) for one that is not known.
RoundingChoice parse_rounding_word(const std::string& word);

}  // namespace expo
