#pragma once

#include <string>

#include "expo/evaluation/leaderboard_row.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say how figures are computed from annotations.
struct FitOptions {
  std::string alpaca_eval_data;
  EvaluationOptions evaluation;
  bool json = false;

  void declare(CLI::App& command);
  /// Throws Error(usage) for options that leave each other without effect.
  void check() const;
  /// What the figures need of AlpacaEval's own data: those that ship with the program, or the
  /// folder that is named. Throws what read_reference_data() throws.
  ReferenceData reference() const;
};

}  // namespace expo
