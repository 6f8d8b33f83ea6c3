#pragma once

#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// What a name alone does not say about how to open it.
struct OpenOptions {
  /// The base of a bare PEFT adapter: the SFT checkpoint, when ALIGNED is opened. If null, a bare
  /// adapter is refused with the advice to write BASE+ADAPTER.
  std::shared_ptr<const Checkpoint> adapter_base;
  /// Keep the names and row order of GGUF tensors instead of Hugging Face's; for GGUF output.
  bool native_gguf_names = false;
};

/// Opens the checkpoint that a reference names: a folder with a checkpoint, a file (.safetensors,
/// .safetensors.index.json, .bin, .bin.index.json, .pt, .pth, .gguf), a Hugging Face id
/// (`owner/name`, `@revision`) that lies in the local cache, or BASE+ADAPTER of these; several
/// adapters are applied one after the other. folder/weight_choice.h describes which of a folder's
/// files are its weights, folder/sidecars.h which are copied along. A single file takes config.json
/// and sidecars from its folder if config.json is there; a GGUF has its own inside. A folder with
/// adapter_config.json and adapter_model.* is an adapter, which is applied to options.adapter_base.
///
/// Throws Error(input) for anything missing or malformed; an id that is not in the cache, or only
/// in part, is refused with the `hf download` command that fetches it. Quantised checkpoints are
/// refused with the name of the method (quantization.h).
std::shared_ptr<const Checkpoint> open_checkpoint(Filesystem& filesystem,
                                                  const std::string& reference,
                                                  const OpenOptions& options,
                                                  const Environment& environment);

}  // namespace expo
