#include "expo/training/model/lora_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"

namespace expo {

void check(const LoraSpec& spec) {
  if (spec.rank < 1 || !(spec.alpha > 0))
    throw usage_error("train: lora_r and lora_alpha must be above 0");
  if (!std::isfinite(spec.dropout) || spec.dropout < 0 || spec.dropout >= 1)
    throw usage_error("train: lora_dropout must be at least 0 and below 1");
  if (spec.targets.empty()) throw usage_error("lora_target_modules names no module");
  for (const std::string& target : spec.targets) {
    if (std::ranges::count(all_linear_modules(), target) == 0) {
      throw usage_error(fmt::format(
          "lora_target_modules: \"{}\" is not a module that can be adapted; expected q_proj, "
          "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj or all-linear",
          target));
    }
  }
}

double LoraSpec::scale() const {
  const auto r = static_cast<double>(rank);
  return alpha / (rank_stabilised ? std::sqrt(r) : r);
}

const std::vector<std::string>& all_linear_modules() {
  static const std::vector<std::string> names = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                 "gate_proj", "up_proj", "down_proj"};
  return names;
}

}  // namespace expo
