#include "expo/extrapolation/recipe/recipe_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Describes a value for a message.
std::string describe(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::null:
      return "nothing";
    case YamlValue::Kind::sequence:
      return "a list";
    case YamlValue::Kind::mapping:
      return "a mapping";
    case YamlValue::Kind::scalar:
      break;
  }
  return value.scalar.size() <= 60 ? "\"" + value.scalar + "\"" : "a long string";
}

template <typename Number>
Number finite_number(const RecipeReader& reader, const YamlValue& value, std::string_view key) {
  if (value.kind == YamlValue::Kind::scalar) {
    const auto number = parse_number<Number>(value.scalar);
    if (number && std::isfinite(*number)) return *number;
  }
  reader.refuse(value.line,
                fmt::format("{} is {}; expected a finite number", key, describe(value)));
}

}  // namespace

void RecipeReader::refuse(int line, const std::string& what) const {
  throw usage_error(fmt::format("{}:{}: {}", where_, line, what));
}

void RecipeReader::check_keys(const YamlValue& mapping,
                              std::initializer_list<std::string_view> keys,
                              std::string_view what) const {
  for (const YamlValue::Member& member : mapping.members) {
    if (std::ranges::find(keys, member.key) != keys.end()) continue;
    refuse(member.line, fmt::format("\"{}\" is not a key of {}; expected one of {}", member.key,
                                    what, fmt::join(keys, ", ")));
  }
}

void RecipeReader::require_mapping(const YamlValue& value, std::string_view what) const {
  if (value.kind == YamlValue::Kind::mapping) return;
  refuse(value.line,
         fmt::format("{} is {}; expected a mapping (KEY: VALUE)", what, describe(value)));
}

const std::string& RecipeReader::text(const YamlValue::Member& member) const {
  const YamlValue& value = *member.value;
  if (value.kind == YamlValue::Kind::scalar && !value.scalar.empty()) return value.scalar;
  refuse(member.line, fmt::format("{} is {}; expected a string", member.key, describe(value)));
}

double RecipeReader::number(const YamlValue& value, std::string_view key) const {
  return finite_number<double>(*this, value, key);
}

long double RecipeReader::exact_number(const YamlValue& value, std::string_view key) const {
  return finite_number<long double>(*this, value, key);
}

std::uint64_t RecipeReader::unsigned_number(const YamlValue::Member& member) const {
  const YamlValue& value = *member.value;
  if (value.kind == YamlValue::Kind::scalar) {
    if (const auto number = parse_number<std::uint64_t>(value.scalar)) return *number;
  }
  refuse(member.line, fmt::format("{} is {}; expected a whole number from 0 to 2^64 - 1",
                                  member.key, describe(value)));
}

bool RecipeReader::boolean(const YamlValue::Member& member) const {
  const std::string word =
      member.value->kind == YamlValue::Kind::scalar ? lower_case(member.value->scalar) : "";
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  refuse(member.line,
         fmt::format("{} is {}; expected true or false", member.key, describe(*member.value)));
}

}  // namespace expo
