// Any bytes as JSON, and as JSON with the numbers that Python adds to it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/error.h"
#include "expo/core/python_json.h"

namespace {

using Parse = expo::Json (*)(std::string_view, std::string_view, int);

std::optional<expo::Json> parsed(Parse parse, std::string_view text, std::string& refusal) {
  try {
    return parse(text, "fuzz", 128);
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
    refusal = error.what();
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string refusal;
  std::string python_refusal;
  const auto strict = parsed(expo::parse_json, text, refusal);
  const auto python = parsed(expo::parse_python_json, text, python_refusal);
  std::string told;
  const auto again = [&](Parse parse) { return parsed(parse, expo::compact_json(*python), told); };
  // What is JSON is the same by both, except for integers whose digits only Python's keeps.
  if (strict) {
    if (!python || expo::find_non_finite(*python)) __builtin_trap();
    if (again(expo::parse_json) != strict || again(expo::parse_python_json) != python)
      __builtin_trap();
    return 0;
  }
  if (!python) return 0;
  // What only Python takes holds a number that is refused for itself, and can be read once it is
  // written.
  const bool is_large = refusal.find("number overflow parsing") != std::string::npos;
  if (!is_large) {
    if (!expo::find_non_finite(*python)) __builtin_trap();
    if (refusal.find("is not JSON, although Python") == std::string::npos) __builtin_trap();
  }
  if (!again(expo::parse_python_json)) __builtin_trap();
  return 0;
}
