#pragma once

#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// What a name alone does not say about how it is to be opened.
struct OpenOptions {
  /// What a bare PEFT adapter stands over: the SFT checkpoint, when ALIGNED is opened. Null: a bare
  /// adapter is refused, with the advice to write BASE+ADAPTER.
  std::shared_ptr<const Checkpoint> adapter_base;
  /// GGUF tensors under their own names and row order instead of Hugging Face's; for GGUF output.
  bool native_gguf_names = false;
};

/// Opens what a person names: a folder with a checkpoint, a file (.safetensors,
/// .safetensors.index.json, .bin, .bin.index.json, .pt, .pth, .gguf), a Hugging Face id
/// (`owner/name`, `@revision`) that lies in the local cache, or BASE+ADAPTER of these; several
/// adapters are applied one after the other. Which of a folder's files are its weights:
/// folder/weight_choice.h; which go along: folder/sidecars.h. A single file takes config.json and
/// sidecars from its folder where config.json lies there; a GGUF has its own inside. A folder with
/// adapter_config.json and adapter_model.* is an adapter and stands over options.adapter_base.
///
/// Throws Error(input) for anything missing or malformed; an id that is not in the cache, or there
/// in part only, is refused with the `hf download` line that gets it. Quantised checkpoints are
/// refused by the name of the method (quantization.h).
std::shared_ptr<const Checkpoint> open_checkpoint(Filesystem& filesystem,
                                                  const std::string& reference,
                                                  const OpenOptions& options,
                                                  const Environment& environment);

}  // namespace expo
