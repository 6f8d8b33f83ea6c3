#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Throws Error(input), with the `hf download` command, if a snapshot lacks something that its
/// checkpoint needs: weights (`choice` is empty), a shard that the index names, config.json if the
/// model has one, or a file whose download was started but not finished. Which files the model has
/// is known if huggingface_hub left a listing of the commit (trees/COMMIT.json); otherwise any
/// unfinished download in the model's cache counts. Returns a warning for every other file of the
/// model (a sidecar, such as the tokenizer) that is in the listing but not in the snapshot.
std::vector<std::string> check_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot,
                                        const std::optional<WeightChoice>& choice);

/// Checks an adapter's snapshot: adapter_config.json exists, and the adapter's weights must exist.
void check_adapter_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot);

}  // namespace expo
