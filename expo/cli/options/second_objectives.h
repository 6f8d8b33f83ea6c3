#pragma once

#include <string>
#include <vector>

#include "expo/search/run/search_scorers.h"

namespace CLI {
class App;
}

namespace expo {

/// The options of `expo search` that name objectives which are shown and may be guarded.
struct SecondObjectives {
  std::vector<std::string> reward_models;  ///< NAME=MODEL
  std::vector<std::string> scorers;        ///< NAME=COMMAND
  bool implicit = false;                   ///< called "implicit"

  void declare(CLI::App& command);

  /// All of them: reward models, programs, and the pair itself. Throws Error(usage) for words that
  /// are not NAME=…, and for names that stand twice or mean something else.
  std::vector<AnswerObjective> list() const;
  std::vector<std::string> names() const;
};

}  // namespace expo
