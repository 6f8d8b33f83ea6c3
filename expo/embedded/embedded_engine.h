#pragma once

#include <memory>

#include "expo/engine/engine_spec.h"

namespace expo {

/// Opens the engine within this program, which runs models from checkpoints on libtorch; this
/// function is an EmbeddedOpener. As in vLLM, the tokens that end an answer are the union of those
/// in generation_config.json, those in config.json and the tokenizer's eos_token; nothing else is
/// taken from generation_config.json, so that an answer depends only on options that the user sees.
/// Throws what open_model and ChatTokenizer throw. `filesystem` must outlive it.
std::unique_ptr<Engine> open_embedded_engine(Filesystem& filesystem, const Environment& environment,
                                             const EmbeddedSpec& spec);

}  // namespace expo
