#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/update.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {

/// What an adapter makes of one tensor of its base.
struct LoraChange {
  std::optional<std::size_t> replacement;    ///< the adapter's tensor that takes its place
  std::shared_ptr<const LoraUpdate> update;  ///< what is added then

  bool none() const { return !replacement && !update; }
};

struct LoraChanges {
  std::vector<LoraChange> tensors;  ///< for each tensor of the base, in order
  /// Where the output head was tied to the embedding and is no longer: its name, the base's tensor
  /// that it begins as, and what becomes of that. The name is empty where a tensor of the base is
  /// the head.
  struct OwnHead {
    std::string name;
    std::size_t embedding = 0;
    LoraChange change;
  };
  std::optional<OwnHead> own_head;
  std::vector<std::string> warnings;
};

/// Finds what each tensor of the adapter changes in the base, and checks that it fits. Reads A and
/// B into memory, and compares what the adapter holds untrained with the base. An output head that
/// is tied to the embedding stays so only where both change alike: PEFT trains either one without
/// the other. Throws Error(input) naming the adapter's tensor.
LoraChanges find_changes(const AdapterWeights& adapter, const Checkpoint& base);

}  // namespace expo
