#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "expo/core/json.h"

namespace expo {

/// The first of "architectures" in a config.json, the class that transformers loads the model as;
/// nothing where there is none.
std::optional<std::string> declared_architecture(const Json& config);

/// The name under which models of the kind …ForSequenceClassification keep their outputs' matrix,
/// (labels, hidden_size).
inline constexpr const char* kScoreHead = "score.weight";

/// The classifier's class over the layers of a language model's: LlamaForSequenceClassification for
/// LlamaForCausalLM. Nothing for a class that is no language model's.
std::optional<std::string> classifier_of(std::string architecture);

/// The configuration of a language model as that of a classifier over the same layers, with
/// `labels` outputs: architectures[0] …ForSequenceClassification, id2label and label2id. One that
/// is a classifier's is returned as it is. Nothing where it names no architecture of either kind.
std::optional<Json> classifier_config(const Json& config, std::uint64_t labels);

}  // namespace expo
