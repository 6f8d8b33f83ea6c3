#include "expo/extrapolation/write/model_card.h"

#include <fmt/format.h>

namespace expo {
namespace {

/// The hub accepts in `base_model` whatever looks like an id: a path's last component does, a whole
/// path does not.
std::string front_matter(const ModelCardFacts& facts) {
  return fmt::format(
      "---\nbase_model:\n- {}\n- {}\nbase_model_relation: merge\nlibrary_name: "
      "transformers\ntags:\n- expo\n"
      "- model-extrapolation\n- merge\n---\n",
      yaml_quoted(facts.aligned), yaml_quoted(facts.sft));
}

std::string rounding_words(const RoundingDecision& rounding) {
  std::string text(rounding_name(rounding.used));
  if (rounding.used == Rounding::stochastic) text += fmt::format(", seed {}", rounding.seed);
  if (rounding.choice == RoundingChoice::automatic && rounding.used == Rounding::stochastic &&
      rounding.nearest_alpha) {
    text += fmt::format(" (to nearest, the effective α would be {:.4g})", *rounding.nearest_alpha);
  }
  return text;
}

std::string delta_lines(const DeltaSummary& delta) {
  std::string text =
      fmt::format("- ‖Δθ‖/‖θ‖: {:.3g}; {:.1f} % of the weights differ between the two\n",
                  delta.relative_norm, 100 * delta.changed);
  if (delta.effective_alpha) {
    text += fmt::format(
        "- effective α after rounding: {:.4g}; {:.1f} % of the updates were rounded away\n",
        *delta.effective_alpha, 100 * delta.lost);
  }
  return text;
}

void set_dtype(Json& config, const std::string& name) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (config.contains(key) && config[key].is_string()) config[key] = name;
  }
  for (auto& [key, value] : config.items()) {
    if (value.is_object() && key.ends_with("_config")) set_dtype(value, name);
  }
}

}  // namespace

std::string yaml_quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string model_card(const ModelCardFacts& facts) {
  std::string text = front_matter(facts);
  text += fmt::format(
      "\n# {0}, extrapolated from {1}\n\n"
      "The weights are θ + α(θ − θ_sft) (ExPO, arXiv:2404.16792, equation 2), without further "
      "training.\n\n"
      "- θ (aligned): {0}\n- θ_sft: {1}\n- α: {2}\n- stored as {3}, rounding: {4}\n",
      facts.aligned, facts.sft, facts.alpha, facts.out_dtype, rounding_words(facts.rounding));
  text += delta_lines(facts.delta);
  if (!facts.treated.empty()) {
    text += "\nTensors that did not fit together:\n\n";
    for (const std::string& line : facts.treated) text += "- " + line + "\n";
  }
  text += fmt::format(
      "\nConfiguration, tokenizer and chat template are those of {}. The licences of both models "
      "apply.\n",
      facts.aligned);
  if (!facts.recipe.empty()) text += "\n```yaml\n" + facts.recipe + "```\n";
  text +=
      fmt::format("\nWritten by expo {}; `run.json` holds the inputs' digests and every setting.\n",
                  facts.version);
  return text;
}

Json with_dtype(Json config, DType dtype) {
  if (!config.is_object()) return config;
  const std::string name(torch_name(dtype));
  if (!config.contains("dtype") && !config.contains("torch_dtype")) config["dtype"] = name;
  set_dtype(config, name);
  return config;
}

}  // namespace expo
