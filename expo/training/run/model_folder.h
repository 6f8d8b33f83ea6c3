#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/training/config/training_config.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Where the model came from, and what its folder holds beside the weights.
struct ModelSource {
  std::shared_ptr<const Checkpoint> checkpoint;
  std::string name;           ///< absolute where it is a path
  Json config;                ///< as the trained model's config.json has it
  std::string chat_template;  ///< of chat_template_path; empty: the model's own
};

/// The config.json of a model that is trained: with a score head of one label for a reward model,
/// and the padding token by which transformers finds where to read it. An adapter brings no
/// config.json along, so that for it nothing is said of padding that the base does not say.
Json config_for_training(const Json& config, const TrainingConfig& training, std::int64_t pad_id);

/// Writes what transformers loads (or, with LoRA, PEFT) into an existing folder: weights, config
/// and the files beside it.
void write_model_folder(Filesystem& filesystem, const ModelSource& source,
                        const TrainableModel& model, const TrainingConfig& config,
                        const std::filesystem::path& folder);

}  // namespace expo
