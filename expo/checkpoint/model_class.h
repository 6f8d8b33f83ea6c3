#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "expo/core/json.h"

namespace expo {

/// The first entry of "architectures" in a config.json, the class as which transformers loads the
/// model; std::nullopt if there is none.
std::optional<std::string> declared_architecture(const Json& config);

/// The name of the output matrix, (labels, hidden_size), in models of the kind
/// …ForSequenceClassification.
inline constexpr const char* kScoreHead = "score.weight";

/// The classifier's class over the same layers as a language model's class:
/// LlamaForSequenceClassification for LlamaForCausalLM. std::nullopt if the class is not a language
/// model's.
std::optional<std::string> classifier_of(std::string architecture);

/// Turns the configuration of a language model into that of a classifier over the same layers, with
/// `labels` outputs: architectures[0] …ForSequenceClassification, id2label and label2id. A
/// classifier's configuration is returned unchanged. std::nullopt if it names no architecture of
/// either kind.
std::optional<Json> classifier_config(const Json& config, std::uint64_t labels);

}  // namespace expo
