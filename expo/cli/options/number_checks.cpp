#include "expo/cli/options/number_checks.h"

#include <charconv>
#include <cstdint>

namespace expo {

std::string is_seed(const std::string& word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc() && end == word.data() + word.size()) return {};
  return "\"" + word + "\" is not a whole number from 0 to 2^64 - 1";
}

}  // namespace expo
