#include "expo/checkpoint/tied_head.h"

#include <array>
#include <utility>

#include "expo/checkpoint/model_class.h"

namespace expo {
namespace {

/// The names of input embeddings and of the heads that are tied to them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kPairs{{
    {"model.embed_tokens.weight", "lm_head.weight"},
    {"model.language_model.embed_tokens.weight", "lm_head.weight"},
    {"language_model.model.embed_tokens.weight", "language_model.lm_head.weight"},
    {"model.decoder.embed_tokens.weight", "lm_head.weight"},
    {"transformer.wte.weight", "lm_head.weight"},
    {"wte.weight", "lm_head.weight"},
    {"transformer.word_embeddings.weight", "lm_head.weight"},
    {"word_embeddings.weight", "lm_head.weight"},
    {"backbone.embeddings.weight", "lm_head.weight"},
    {"gpt_neox.embed_in.weight", "embed_out.weight"},
    {"embed_tokens.weight", "lm_head.weight"},
}};

std::optional<bool> setting(const Json& json) {
  if (!json.is_object() || !json.contains("tie_word_embeddings")) return std::nullopt;
  const Json& value = json["tie_word_embeddings"];
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

/// Whether the model has an output head at all. Models without one have names without a prefix, but
/// some models with a head were saved without a prefix too (GPT-2); the configuration tells them
/// apart.
bool has_head(const Json& config, std::string_view embedding) {
  if (const auto name = declared_architecture(config)) {
    return name->ends_with("LMHeadModel") || name->ends_with("ForCausalLM") ||
           name->ends_with("ForConditionalGeneration") || name->ends_with("DoubleHeadsModel") ||
           name->ends_with("ForImageTextToText");
  }
  return embedding.find('.') != embedding.rfind('.');
}

}  // namespace

std::optional<bool> configured_tie(const Json& config) {
  if (config.is_object() && config.contains("text_config")) {
    if (const auto tied = setting(config["text_config"])) return tied;
  }
  return setting(config);
}

std::optional<TiedHead> find_tied_head(const Checkpoint& checkpoint) {
  const auto tied = configured_tie(checkpoint.config());
  if (tied && !*tied) return std::nullopt;
  for (const auto& [embedding, head] : kPairs) {
    const auto found = checkpoint.find(embedding);
    if (!found) continue;
    const auto stored = checkpoint.find(head);
    if (!stored && !has_head(checkpoint.config(), embedding)) return std::nullopt;
    return TiedHead{*found, std::string(head), stored};
  }
  return std::nullopt;
}

bool is_head(std::string_view tensor) {
  return tensor.ends_with("lm_head.weight") || tensor.ends_with("embed_out.weight");
}

Json untied(Json config) {
  if (!config.is_object()) return config;
  config["tie_word_embeddings"] = false;
  if (config.contains("text_config") && config["text_config"].is_object() &&
      config["text_config"].contains("tie_word_embeddings")) {
    config["text_config"]["tie_word_embeddings"] = false;
  }
  return config;
}

}  // namespace expo
