#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/training/config/training_config.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// The origin of the model, and what its folder holds beside the weights.
struct ModelSource {
  std::shared_ptr<const Checkpoint> checkpoint;
  std::string name;           ///< absolute if it is a path
  Json config;                ///< the config.json of the trained model
  std::string chat_template;  ///< text of chat_template_path; empty: the model's own
};

/// The config.json of a trained model. For a reward model it has a score head of one label, and the
/// padding token that transformers needs to find the token at which to read it. An adapter has no
/// config.json of its own, so for an adapter no padding token is added to that of the base.
Json config_for_training(const Json& config, const TrainingConfig& training, std::int64_t pad_id);

/// Writes what transformers (or, with LoRA, PEFT) loads into an existing folder: weights, config
/// and the files beside them.
void write_model_folder(Filesystem& filesystem, const ModelSource& source,
                        const TrainableModel& model, const TrainingConfig& config,
                        const std::filesystem::path& folder);

}  // namespace expo
