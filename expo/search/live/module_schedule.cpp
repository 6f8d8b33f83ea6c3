#include "expo/search/live/module_schedule.h"

#include <cmath>

namespace expo {
namespace {

/// Depth goes from 0 to 1, and the middle of a model takes the multiplier itself.
std::vector<double> points_of(double alpha, double slope) {
  if (slope == 0) return {alpha};
  return {alpha * (1 - slope / 2), alpha * (1 + slope / 2)};
}

}  // namespace

std::vector<ModuleRule> module_rules(double alpha, const ModulePoint& point) {
  const std::vector<double> rest = points_of(alpha * point.rest, point.slope);
  return {{"", rest},
          {"attn|attention", points_of(alpha * point.attention, point.slope)},
          {"mlp|ffn|fc1|fc2|feed_forward|expert|moe", points_of(alpha * point.mlp, point.slope)},
          {"norm|ln_", rest}};
}

double smallest_alpha(double alpha, const ModulePoint& point) {
  double smallest = alpha;
  for (const ModuleRule& rule : module_rules(alpha, point)) {
    for (const double each : rule.points) {
      if (std::abs(each) < std::abs(smallest)) smallest = each;
    }
  }
  return smallest;
}

AlphaSchedule module_schedule(double alpha, const ModulePoint& point) {
  const std::vector<ModuleRule> rules = module_rules(alpha, point);
  AlphaSchedule schedule = AlphaSchedule::gradient(rules.front().points);
  for (std::size_t i = 1; i < rules.size(); ++i) schedule.add_rule(rules[i].match, rules[i].points);
  return schedule;
}

}  // namespace expo
