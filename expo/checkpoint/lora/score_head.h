#pragma once

#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {

/// The model that the adapter of a reward model was trained over. PEFT saves the outputs that it
/// trained (modules_to_save), and transformers makes them anew over the language model that is the
/// base: so does this. Where the adapter is of the task SEQ_CLS and holds score.weight, and the
/// base is a language model without one, the result is the base without its output head, with a
/// matrix of zeros of the adapter's shape and type at the end, and the classifier's config.json.
/// Otherwise it is `base` itself. Throws Error(input) where such an adapter is of another task.
std::shared_ptr<const Checkpoint> with_score_head(std::shared_ptr<const Checkpoint> base,
                                                  const AdapterWeights& adapter);

}  // namespace expo
