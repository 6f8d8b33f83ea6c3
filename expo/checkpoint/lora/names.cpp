#include "expo/checkpoint/lora/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

using Renaming = BaseNames::Renaming;

std::optional<std::size_t> find_renamed(const Checkpoint& base, const Renaming& renaming,
                                        const std::string& name) {
  if (const auto found = base.find(name)) return found;
  for (const auto& [from, to] : renaming) {
    if (name.starts_with(from)) return base.find(to + name.substr(from.size()));
  }
  return std::nullopt;
}

/// The first component of a name: "model." for "model.layers.0.mlp"; empty if there is no dot.
std::string first_component(const std::string& name) {
  return name.substr(0, name.find('.') + 1);
}

std::size_t missing(const Checkpoint& base, const Renaming& renaming,
                    const std::vector<std::string>& names) {
  return static_cast<std::size_t>(std::ranges::count_if(
      names, [&](const std::string& name) { return !find_renamed(base, renaming, name); }));
}

/// The renamings to try, the most likely first.
std::vector<Renaming> candidates(const Checkpoint& base, const std::string& lost) {
  std::vector<Renaming> result{
      // transformers 5 renames the modules of LLaVA and similar models on loading …
      {{"model.language_model.", "language_model.model."},
       {"lm_head.", "language_model.lm_head."},
       {"model.", ""}},
      // … and likewise those of Qwen2-VL.
      {{"model.language_model.", "model."}, {"model.visual.", "visual."}}};
  if (const std::string prefix = first_component(lost); !prefix.empty()) {
    result.push_back({{prefix, ""}});
  }
  std::vector<std::string> seen;
  for (const Tensor& tensor : base.tensors()) {
    const std::string prefix = first_component(tensor.name);
    if (prefix.empty() || std::ranges::find(seen, prefix) != seen.end()) continue;
    seen.push_back(prefix);
    result.push_back({{"", prefix}});
    if (seen.size() == 16) break;  // a model with many top-level parts has no prefix to add
  }
  return result;
}

}  // namespace

BaseNames::BaseNames(const Checkpoint& base, const std::vector<std::string>& names,
                     const std::string& where)
    : base_(base) {
  const auto lost = std::ranges::find_if(
      names, [&](const std::string& name) { return !base.find(name).has_value(); });
  if (lost == names.end()) return;
  for (Renaming& renaming : candidates(base, *lost)) {
    if (missing(base, renaming, names) > 0) continue;
    renaming_ = std::move(renaming);
    return;
  }
  throw input_error(fmt::format(
      "{}: adapts \"{}\", which {} does not have ({} of {} names were not found); the adapter "
      "belongs to another model",
      where, *lost, base.location(), missing(base, {}, names), names.size()));
}

std::optional<std::size_t> BaseNames::find(const std::string& name) const {
  return find_renamed(base_, renaming_, name);
}

}  // namespace expo
