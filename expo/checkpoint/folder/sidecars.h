#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/folder/links.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Whether a file beside the weights belongs to the model and is copied with it; `name` is relative
/// to the checkpoint's folder, with '/' between folders.
///
/// At the top level, always: config.json, generation_config.json, tokenizer* (not weights),
/// special_tokens_map.json, added_tokens.json, vocab.*, merges.txt, tekken.json, *.model,
/// *.tiktoken, chat_template.*, *processor_config.json, *.py. Never, in upper or lower case:
///   weights and their indexes: *.safetensors, *.bin, *.gguf, *.ggml, *.h5, *.msgpack, *.onnx,
///     *.onnx_data, *.pt, *.pth, *.ckpt, *.pkl, *.pickle, *.npz, *.npy, *.pb, *.tflite, *.ot,
///     *.nemo, *.index.json, consolidated.*, adapter_model.*, adapter_config.json; also params.json
///     and checklist.chk, which the Llama releases have beside consolidated.*
///   what training leaves: optimizer*, scheduler*, rng_state*, trainer_state.json,
///     trainer_log.jsonl, training_args.*, all_results.json, train_results.json, eval_results.json,
///     predict_results.json, events.out*, zero_to_fp32.py, latest, *.log
///   what describes another model: README*, model_card*, run.json, mergekit_config.*
///   leftovers and attachments: names that begin with '.', *.lock, *.tmp, *.incomplete, archives
///     (*.zip, *.tar, *.gz, *.tgz, *.xz, *.zst) and pictures (*.png, *.jpg, *.jpeg, *.gif, *.svg,
///     *.webp, *.pdf, *.mp4)
/// Any other file is copied if it has at most 16 MB, so that a licence or a file of a new kind is
/// not lost. In subfolders only these are copied: additional_chat_templates/*.jinja, and the
/// config.json of the modules of sentence-transformers (1_Pooling/).
bool is_sidecar(std::string_view name, std::uint64_t size);

/// The sidecars of a checkpoint's folder, sorted by name; also the .py files of Python packages in
/// it (folders with an __init__.py), which remote code may import. Only regular files are listed; a
/// link that `scope`, which must be one of this folder, does not accept is left out with a warning.
std::vector<Sidecar> list_sidecars(Filesystem& filesystem, const std::filesystem::path& folder,
                                   const LinkScope& scope, std::vector<std::string>& warnings);
/// Does the same for a folder whose weights are not known.
std::vector<Sidecar> list_sidecars(Filesystem& filesystem, const std::filesystem::path& folder,
                                   std::vector<std::string>& warnings);

}  // namespace expo
