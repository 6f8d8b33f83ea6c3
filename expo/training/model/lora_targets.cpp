#include "expo/training/model/lora_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "expo/checkpoint/lora/module_pattern.h"
#include "expo/core/error.h"
#include "expo/model/tensor/weights.h"

namespace expo {
namespace {

using Names = std::set<std::string>;

/// The names of all modules of transformers' model but its root, which has none.
Names module_names(const Architecture& architecture) {
  Names names = {"model.rotary_emb"};
  if (architecture.head == ModelHead::language) names.insert("lm_head");
  const auto weights = allocate_weights(architecture, at::TensorOptions().device(at::kMeta));
  for (const auto& [tensor, value] : weights.named) {
    for (std::size_t dot = tensor.rfind('.'); dot != std::string::npos && dot > 0;
         dot = tensor.rfind('.', dot - 1))
      names.insert(tensor.substr(0, dot));
  }
  for (std::size_t i = 0; i < architecture.layers.size(); ++i)
    names.insert(fmt::format("model.layers.{}.mlp.act_fn", i));
  names.erase("score");
  return names;
}

bool can_be_adapted(const std::string& module) {
  return std::ranges::count(all_linear_modules(), module.substr(module.rfind('.') + 1)) > 0;
}

/// "model.layers.0.self_attn.q_proj, …": the first of each kind.
std::string examples(const Names& modules) {
  Names kinds;
  std::string text;
  for (const std::string& module : modules) {
    if (!can_be_adapted(module) || !kinds.insert(module.substr(module.rfind('.') + 1)).second)
      continue;
    text += (text.empty() ? "" : ", ") + module;
  }
  return text;
}

/// Adds the modules that one expression or name chooses.
void add_chosen(const std::string& target, const std::string& kind, const Names& modules,
                const std::function<bool(const std::string&)>& chooses, Names& chosen) {
  bool any = false;
  for (const std::string& module : modules) {
    if (!chooses(module)) continue;
    if (!can_be_adapted(module)) {
      throw usage_error(fmt::format(
          "lora_target_modules: {} \"{}\" chooses {}, which cannot be adapted; expected only "
          "linear modules of the layers, such as {}",
          kind, target, module, examples(modules)));
    }
    any = true;
    chosen.insert(module);
  }
  if (any) return;
  throw usage_error(fmt::format(
      "lora_target_modules: {} \"{}\" matches {} in the model, which has modules such as {}", kind,
      target, kind == "the name" ? "the end of no module's name" : "no module's whole name",
      examples(modules)));
}

}  // namespace

std::set<std::string> choose_lora_targets(const LoraSpec& spec, const Architecture& architecture) {
  check(spec);
  const Names modules = module_names(architecture);
  Names chosen;
  if (!spec.pattern.empty()) {
    const auto pattern = ModulePattern::of_whole_names(spec.pattern, "lora_target_modules");
    add_chosen(
        spec.pattern, "the regular expression", modules,
        [&](const std::string& module) { return pattern.matches(module); }, chosen);
  }
  for (const std::string& target : spec.targets) {
    const auto ends = [&](const std::string& module) {
      return module == target || module.ends_with("." + target);
    };
    add_chosen(target, "the name", modules, ends, chosen);
  }
  return chosen;
}

}  // namespace expo
