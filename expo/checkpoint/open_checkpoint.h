#pragma once

#include <map>
#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/filesystem.h"

namespace expo {

/// Environment variables that decide where the Hugging Face cache lies, as huggingface_hub reads
/// them.
using Environment = std::map<std::string, std::string>;
/// HF_HOME, HF_HUB_CACHE, XDG_CACHE_HOME and HOME of this process, those that are set.
Environment hugging_face_environment();

struct OpenOptions {
  /// What a bare PEFT adapter stands over: the SFT checkpoint, when ALIGNED is opened. Null: a bare
  /// adapter is refused, with the advice to write BASE+ADAPTER.
  std::shared_ptr<const Checkpoint> adapter_base;
  /// GGUF tensors under their own names and row order instead of Hugging Face's; for GGUF output.
  bool native_gguf_names = false;
};

/// Opens what a person names: a folder with a checkpoint, a file (.safetensors,
/// .safetensors.index.json, .bin, .pt, .pth, .gguf), a Hugging Face id (`owner/name`, `@revision`)
/// that lies in the local cache, or BASE+ADAPTER of these. Throws Error(input) for anything missing
/// or malformed; an id that is not in the cache is refused with the `hf download` line that gets
/// it. A checkpoint with a `quantization_config` is refused.
std::shared_ptr<const Checkpoint> open_checkpoint(Filesystem& filesystem,
                                                  const std::string& reference,
                                                  const OpenOptions& options,
                                                  const Environment& environment);

}  // namespace expo
