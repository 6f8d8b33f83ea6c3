#pragma once

#include <optional>
#include <string_view>

#include "expo/core/dtype.h"

namespace expo {

/// The Python names that a state_dict's pickle may refer to.
enum class PickleGlobal : unsigned char {
  rebuild_tensor,
  rebuild_parameter,
  ordered_dict,
  size,
  half_storage,
  bfloat16_storage,
  float_storage,
  double_storage,
  long_storage,
  int_storage,
  short_storage,
  char_storage,
  byte_storage,
  bool_storage,
};

/// The name's meaning, or nothing for any other name.
std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name);

/// The type of a storage's elements; nothing for names that are no storage.
std::optional<DType> storage_dtype(PickleGlobal global);

/// "BUILD" for 'b', whether it is supported or not; empty for a byte that is no opcode.
std::string_view pickle_opcode_name(unsigned char opcode);

}  // namespace expo
