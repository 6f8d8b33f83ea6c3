#include "expo/cli/arguments/number_checks.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>

namespace expo {

std::string is_seed(const std::string& word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc() && end == word.data() + word.size()) return {};
  return "\"" + word + "\" is not a whole number from 0 to 2^64 - 1";
}

std::function<std::string(const std::string&)> is_number_from(double low, double high) {
  return [low, high](const std::string& word) -> std::string {
    double value = 0;
    // CLI11 reads the option with the same cast, so both see the same number.
    if (CLI::detail::lexical_cast(word, value) && value >= low && value <= high) return {};
    return fmt::format("\"{}\" is not a number from {:g} to {:g}", word, low, high);
  };
}

std::string limits_text(double low, double high) {
  return fmt::format("FLOAT in [{:g} - {:g}]", low, high);
}

}  // namespace expo
