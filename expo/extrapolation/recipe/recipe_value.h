#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/yaml_document.h"

namespace expo {

/// Reads the values of a recipe. Throws Error(usage) for those that are malformed, with the message
/// "FILE:LINE: KEY …".
class RecipeReader {
 public:
  explicit RecipeReader(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void refuse(int line, const std::string& what) const;

  /// Refuses members whose keys are not among `keys`; `what` names the mapping in the message.
  void check_keys(const YamlValue& mapping, std::initializer_list<std::string_view> keys,
                  std::string_view what) const;
  void require_mapping(const YamlValue& value, std::string_view what) const;

  /// A non-empty scalar.
  const std::string& text(const YamlValue::Member& member) const;
  /// A finite number, rounded once from its text.
  double number(const YamlValue& value, std::string_view key) const;
  /// The same with the extra digits that keep a sum or product of several numbers as written: 1.3 −
  /// 1 is then 0.3.
  long double exact_number(const YamlValue& value, std::string_view key) const;
  std::uint64_t unsigned_number(const YamlValue::Member& member) const;
  /// A boolean: true, false, or their synonyms in YAML 1.1: yes, no, on, off.
  bool boolean(const YamlValue::Member& member) const;

 private:
  std::string where_;
};

}  // namespace expo
