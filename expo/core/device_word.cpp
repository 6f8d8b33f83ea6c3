#include "expo/core/device_word.h"

#include <charconv>
#include <string_view>

#include "expo/core/error.h"

namespace expo {
namespace {

/// The number in "cuda:N"; nothing for another word.
std::optional<int> gpu_number(const std::string& word) {
  constexpr std::string_view kPrefix = "cuda:";
  if (!word.starts_with(kPrefix)) return std::nullopt;
  constexpr int kMost = 127;  // c10::DeviceIndex is a signed byte
  int number = -1;
  const char* end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data() + kPrefix.size(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0 || number > kMost)
    return std::nullopt;
  return number;
}

}  // namespace

DeviceWord parse_device_word(const std::string& word) {
  if (word == "auto") return {.may_be_cpu = true, .may_be_gpu = true};
  if (word == "cpu") return {.may_be_cpu = true};
  if (word == "cuda") return {.may_be_gpu = true};
  if (const auto number = gpu_number(word)) return {.may_be_gpu = true, .number = number};
  throw usage_error("--device: \"" + word + "\" is not known; expected auto, cpu, cuda or cuda:N");
}

}  // namespace expo
