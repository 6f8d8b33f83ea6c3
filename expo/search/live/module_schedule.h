#pragma once

#include <string>
#include <vector>

#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/search/source/module_point.h"

namespace expo {

/// The α of one kind of module, as a schedule and a recipe express it.
struct ModuleRule {
  std::string match;           ///< an expression for names of tensors; empty: all others
  std::vector<double> points;  ///< one number, or two, at the first layer and at the last
};

/// What a point makes of α, the rule for all others first and the last match winning: names with
/// "attn" or "attention" are attention's; those with "mlp", "ffn", "fc1", "feed_forward", "expert"
/// or "moe" are the MLP's; those with "norm" or "ln_" are norms, and so among the rest, whatever
/// else they contain.
std::vector<ModuleRule> module_rules(double alpha, const ModulePoint& point);

/// The α of these rules that is closest to 0, for which rounding matters most.
double smallest_alpha(double alpha, const ModulePoint& point);

/// The rules as a schedule.
AlphaSchedule module_schedule(double alpha, const ModulePoint& point);

}  // namespace expo
