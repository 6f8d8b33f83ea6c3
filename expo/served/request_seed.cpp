#include "expo/served/request_seed.h"

#include "expo/core/philox.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

std::uint64_t request_seed(std::uint64_t seed, std::string_view prompt_id, std::uint32_t sample) {
  const auto words = RandomStream(seed, tensor_stream(prompt_id)).block(sample);
  return (std::uint64_t{words[1]} << 32 | words[0]) >> 11;
}

}  // namespace expo
