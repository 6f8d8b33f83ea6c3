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

/// What an adapter changes in one tensor of its base.
struct LoraChange {
  std::optional<std::size_t> replacement;    ///< the adapter's tensor that replaces it
  std::shared_ptr<const LoraUpdate> update;  ///< the update that is then added

  bool none() const { return !replacement && !update; }
};

/// What an adapter changes in its base.
struct LoraChanges {
  std::vector<LoraChange> tensors;  ///< one for each tensor of the base, in order
  /// An output head that was tied to the embedding but no longer is: its name, the base's tensor
  /// whose values it starts from, and the change to those. The name is empty if a tensor of the
  /// base is the head.
  struct OwnHead {
    std::string name;
    std::size_t embedding = 0;
    LoraChange change;
  };
  std::optional<OwnHead> own_head;
  std::vector<std::string> warnings;
};

/// Determines what each tensor of the adapter changes in the base, and checks that it fits. Reads A
/// and B into memory, and compares the adapter's untrained tensors with the base. An output head
/// stays tied to the embedding only if both change alike, since PEFT can train either one without
/// the other. Throws Error(input) naming the adapter's tensor.
LoraChanges find_changes(const AdapterWeights& adapter, const Checkpoint& base);

}  // namespace expo
