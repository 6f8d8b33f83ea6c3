#include "expo/checkpoint/output_layout.h"

namespace expo {

std::uint64_t OutputTensor::bytes() const {
  const std::uint64_t elements = *element_count(shape);
  return encoding == Encoding::q8_0 ? elements / 32 * 34 : *byte_size(dtype, elements);
}

}  // namespace expo
