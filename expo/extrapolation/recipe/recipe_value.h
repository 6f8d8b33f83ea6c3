#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/yaml_document.h"

namespace expo {

/// Reads the values of a recipe and refuses those that do not fit with Error(usage), as
/// "FILE:LINE: KEY …".
class RecipeReader {
 public:
  explicit RecipeReader(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void refuse(int line, const std::string& what) const;

  /// Refuses members whose keys are not among `keys`; `what` says of what they would be keys.
  void check_keys(const YamlValue& mapping, std::initializer_list<std::string_view> keys,
                  std::string_view what) const;
  void require_mapping(const YamlValue& value, std::string_view what) const;

  /// A scalar that is not empty.
  const std::string& text(const YamlValue::Member& member) const;
  /// A finite number, rounded once from its text.
  double number(const YamlValue& value, std::string_view key) const;
  /// The same with the digits that a sum or product of several needs to come out as written: 1.3 −
  /// 1 is then 0.3.
  long double exact_number(const YamlValue& value, std::string_view key) const;
  std::uint64_t unsigned_number(const YamlValue::Member& member) const;
  /// true, false, and what YAML 1.1 takes for them: yes, no, on, off.
  bool boolean(const YamlValue::Member& member) const;

 private:
  std::string where_;
};

}  // namespace expo
