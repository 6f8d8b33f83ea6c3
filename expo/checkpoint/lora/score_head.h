#pragma once

#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {

/// The model that the adapter of a reward model was trained over. PEFT saves the output matrix that
/// it trained (modules_to_save), and transformers creates a new one over the language model that is
/// the base; so does this. If the adapter's task is SEQ_CLS and it holds score.weight, and the base
/// is a language model without one, the result is the base without its output head, with a matrix
/// of zeros of the adapter's shape and type at the end, and with the classifier's config.json.
/// Otherwise it is `base` itself. Throws Error(input) if such an adapter has another task.
std::shared_ptr<const Checkpoint> with_score_head(std::shared_ptr<const Checkpoint> base,
                                                  const AdapterWeights& adapter);

}  // namespace expo
