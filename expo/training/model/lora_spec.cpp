#include "expo/training/model/lora_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/checkpoint/lora/module_pattern.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::string_view kOfNames =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-., ";

std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t first = 0; first <= text.size();) {
    const std::size_t comma = std::min(text.find(',', first), text.size());
    names.emplace_back(trimmed(text.substr(first, comma - first)));
    first = comma + 1;
  }
  return names;
}

/// Only the last part of a name is checked, since the layers of the model are not known here.
void check_name(const std::string& name) {
  const std::string last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  if (std::ranges::count(all_linear_modules(), last) > 0) return;
  throw usage_error(fmt::format(
      "lora_target_modules: \"{}\" is not a module that can be adapted; expected q_proj, k_proj, "
      "v_proj, o_proj, gate_proj, up_proj, down_proj, all-linear or a regular expression",
      name));
}

void check_targets(const LoraSpec& spec) {
  if (spec.pattern.empty()) {
    if (spec.targets.empty()) throw usage_error("lora_target_modules names no module");
    for (const std::string& target : spec.targets) check_name(target);
    return;
  }
  try {
    ModulePattern::of_whole_names(spec.pattern, "lora_target_modules");
  } catch (const Error& error) {
    throw usage_error(error.what());
  }
}

}  // namespace

void LoraSpec::set_targets(std::string_view text) {
  pattern.clear();
  targets.clear();
  if (lower_case(trimmed(text)) == "all-linear") {
    targets = all_linear_modules();
  } else if (text.find_first_not_of(kOfNames) == std::string_view::npos) {
    targets = names_in(text);
  } else {
    pattern = text;
  }
}

Json LoraSpec::target_modules() const {
  return pattern.empty() ? Json(targets) : Json(pattern);
}

void check(const LoraSpec& spec) {
  if (spec.rank < 1 || !(spec.alpha > 0))
    throw usage_error("train: lora_r and lora_alpha must be above 0");
  if (!std::isfinite(spec.dropout) || spec.dropout < 0 || spec.dropout >= 1)
    throw usage_error("train: lora_dropout must be at least 0 and below 1");
  check_targets(spec);
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
