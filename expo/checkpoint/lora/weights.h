#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/config.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The A and B of one module, as indices into the adapter's tensors.
struct LoraPair {
  std::string module;         ///< name in the trained model: "model.layers.0.self_attn.q_proj"
  std::size_t a = 0;          ///< (rank, in, …), or (rank, rows) for an embedding
  std::size_t b = 0;          ///< (out, rank, …)
  bool is_embedding = false;  ///< lora_embedding_A and _B: the update is (B·A) transposed
};

/// A tensor of the model that the adapter stores whole.
struct SavedTensor {
  std::string name;  ///< name in the trained model: "lm_head.weight"
  std::size_t tensor = 0;
  /// Whether the training left the tensor unchanged: PEFT saves the embedding and the head beside
  /// the LoRA on them. Otherwise it was trained, through modules_to_save.
  bool frozen = false;
};

/// The opened files of an adapter and their contents.
struct AdapterWeights {
  std::filesystem::path config_path;
  LoraConfig config;
  std::shared_ptr<const Checkpoint> checkpoint;  ///< adapter_model.safetensors or .bin
  std::vector<LoraPair> pairs;                   ///< in the order of their A
  std::vector<SavedTensor> saved;

  const Tensor& tensor(std::size_t index) const { return checkpoint->tensors()[index]; }
  std::string where() const { return checkpoint->location(); }
};

/// Reads adapter_config.json and the header of the weights, and sorts the tensors by their names
/// ("base_model.model.X.lora_A.weight", "…lora_embedding_A", "…X.base_layer.weight", and
/// "…X.weight" for modules_to_save; the names may contain the adapter's name "default"). Checks
/// that A and B come in pairs with the configured rank and fit each other, and checks their types.
/// Throws Error(input) naming the file and the tensor, also for tensors of variants (DoRA's
/// magnitudes) and for unknown ones.
AdapterWeights open_adapter(Filesystem& filesystem, const std::filesystem::path& folder);

}  // namespace expo
