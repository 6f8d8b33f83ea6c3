#pragma once

#include <functional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/training/config/training_config.h"

namespace expo {

/// One setting, declared once for YAML, the command line, run.json and the help.
struct ConfigKey {
  const char* name;
  const char* type;  ///< "FLOAT", "FLAG", …
  const char* help;
  std::vector<TrainingMethod> methods;  ///< methods that have the setting; empty: all
  std::function<void(TrainingConfig&, const std::string&)> set;  ///< throws std::invalid_argument
  std::function<Json(const TrainingConfig&)> get;
  const char* section = "";  ///< section of the help

  bool belongs_to(TrainingMethod method) const;
  bool is_flag() const;
};

/// All keys, in the order of the help.
const std::vector<ConfigKey>& config_keys();

}  // namespace expo
