#pragma once

#include <optional>
#include <string>

namespace expo {

/// What a person's word for a device asks for, on whatever machine.
struct DeviceWord {
  bool may_be_cpu = false;         ///< "auto" and "cpu"
  bool may_be_gpu = false;         ///< "auto", "cuda" and "cuda:N"
  std::optional<int> number = {};  ///< the N of "cuda:N", at most 127
};

/// Throws Error(usage) for a word that is not auto, cpu, cuda or cuda:N.
DeviceWord parse_device_word(const std::string& word);

}  // namespace expo
