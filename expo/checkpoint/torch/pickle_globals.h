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

/// The meaning of a name, or std::nullopt for any other name.
std::optional<PickleGlobal> find_pickle_global(std::string_view module, std::string_view name);

/// The element type of a storage; std::nullopt for names that are not a storage.
std::optional<DType> storage_dtype(PickleGlobal global);

/// The name of an opcode, supported or not, such as "BUILD" for 'b'; empty for a byte that is not
/// an opcode.
std::string_view pickle_opcode_name(unsigned char opcode);

}  // namespace expo
