#pragma once

#include <memory>

#include "expo/engine/engine_spec.h"

namespace expo {

/// The engine within this program: models by their checkpoints, on libtorch. The tokens that end an
/// answer are those of generation_config.json, of config.json and the tokenizer's eos_token
/// together, as vLLM has it; nothing else is taken from generation_config.json, so that an answer
/// depends on the options that a person sees. An EmbeddedOpener; throws Error as open_model and
/// ChatTokenizer do. `filesystem` must outlive it.
std::unique_ptr<Engine> open_embedded_engine(Filesystem& filesystem, const Environment& environment,
                                             const EmbeddedSpec& spec);

}  // namespace expo
