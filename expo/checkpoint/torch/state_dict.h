#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/checkpoint/torch/pickle.h"
#include "expo/checkpoint/torch/strided_layout.h"

namespace expo {

/// A named tensor of a state_dict.
struct StateDictEntry {
  std::string name;
  PickledStorage storage;
  StridedLayout layout;  ///< not yet checked against the storage
};

/// The tensors of a state_dict, and warnings about what was left out.
struct StateDict {
  std::vector<StateDictEntry> entries;  ///< in the order of the dictionary
  std::vector<std::string> warnings;
};

/// Reads the state_dict that a pickle holds: a dictionary of tensors by name, or one such
/// dictionary under "state_dict", "model" or "module", in which case the other entries (an
/// optimiser, an epoch) are left out with a warning. Throws Error(input) for anything else: two
/// such dictionaries, nested ones, values that are not tensors, and names that are empty, hold a
/// NUL or occur twice. Messages begin with `where`. The storages of the entries refer to the
/// pickle's bytes.
StateDict read_state_dict(const Pickle& pickle, const std::string& where);

}  // namespace expo
