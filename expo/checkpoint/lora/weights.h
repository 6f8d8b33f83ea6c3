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

/// The A and B of one module, by their places in the adapter's tensors.
struct LoraPair {
  std::string module;         ///< in the model that was trained: "model.layers.0.self_attn.q_proj"
  std::size_t a = 0;          ///< (rank, in, …), or (rank, rows) of an embedding
  std::size_t b = 0;          ///< (out, rank, …)
  bool is_embedding = false;  ///< lora_embedding_A and _B: the update is (B·A) transposed
};

/// A tensor of the model that the adapter holds whole.
struct SavedTensor {
  std::string name;  ///< in the model that was trained: "lm_head.weight"
  std::size_t tensor = 0;
  /// What the trained model had there and left alone: PEFT saves the embedding and the head beside
  /// the LoRA on them. Otherwise trained: of modules_to_save.
  bool frozen = false;
};

/// The files of an adapter, open, with what is in them.
struct AdapterWeights {
  std::filesystem::path config_path;
  LoraConfig config;
  std::shared_ptr<const Checkpoint> checkpoint;  ///< of adapter_model.safetensors or .bin
  std::vector<LoraPair> pairs;                   ///< in the order of their A
  std::vector<SavedTensor> saved;

  const Tensor& tensor(std::size_t index) const { return checkpoint->tensors()[index]; }
  std::string where() const { return checkpoint->location(); }
};

/// Reads adapter_config.json and the header of the weights, and sorts the tensors by their names
/// ("base_model.model.X.lora_A.weight", "…lora_embedding_A", "…X.base_layer.weight", "…X.weight"
/// of modules_to_save; the adapter's name "default" may stand in them). Checks that A and B come in
/// pairs with the configured rank, that they fit each other, and their types. Throws Error(input)
/// naming file and tensor, also for tensors that belong to variants (DoRA's magnitudes) and those
/// of neither kind.
AdapterWeights open_adapter(Filesystem& filesystem, const std::filesystem::path& folder);

}  // namespace expo
