#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora_weights.h"
#include "expo/core/json.h"

namespace expo {

/// The name under which models of the kind …ForSequenceClassification keep their outputs' matrix,
/// (labels, hidden_size).
inline constexpr const char* kScoreHead = "score.weight";

/// The configuration of a language model as that of a classifier over the same layers, with
/// `labels` outputs: architectures[0] …ForSequenceClassification, id2label and label2id. One that
/// is a classifier's is returned as it is. Nothing where it names no architecture of either kind.
std::optional<Json> classifier_config(const Json& config, std::uint64_t labels);

/// The model that the adapter of a reward model was trained over. PEFT saves the outputs that it
/// trained (modules_to_save), and transformers makes them anew over the language model that is the
/// base: so does this. Where the adapter is of the task SEQ_CLS and holds score.weight, and the
/// base is a language model without one, the result is the base without its output head, with a
/// matrix of zeros of the adapter's shape and type at the end, and the classifier's config.json.
/// Otherwise it is `base` itself. Throws Error(input) where such an adapter is of another task.
std::shared_ptr<const Checkpoint> with_score_head(std::shared_ptr<const Checkpoint> base,
                                                  const AdapterWeights& adapter);

}  // namespace expo
