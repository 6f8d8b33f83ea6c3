#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Throws Error(input), with the `hf download` line, where a snapshot lacks something that its
/// checkpoint needs: weights (`choice` is empty), a shard that the index names, config.json where
/// the model has one, or a file whose download was begun and not finished. Which files the model
/// has is known where huggingface_hub left a listing of the commit (trees/COMMIT.json); without
/// one, any unfinished download in the model's cache counts. Returns a warning for every other file
/// of the model (a sidecar, such as the tokenizer) that the listing has and the snapshot has not.
std::vector<std::string> check_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot,
                                        const std::optional<WeightChoice>& choice);

/// The same for an adapter's snapshot: adapter_config.json is there, the adapter's weights must be.
void check_adapter_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot);

}  // namespace expo
