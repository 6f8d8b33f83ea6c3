#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/json.h"

namespace expo {

/// The fields of a config.json. It remembers which fields were read, so that those that nothing
/// reads can be refused. A null counts as absent. Every getter throws Error(input) for a value of
/// the wrong type.
class ConfigFields {
 public:
  /// `object` must outlive this; messages begin with `where`. Throws Error(input) if it is not a
  /// JSON object.
  ConfigFields(const Json& object, std::string where);

  bool has(const std::string& name) const;
  bool mentions(const std::string& name) const;   ///< true also for a null
  std::int64_t integer(const std::string& name);  ///< required, from 1 to 2³¹ − 1
  /// The value must be at least `lowest` and at most 2³¹ − 1, so that the product of two sizes does
  /// not overflow.
  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t lowest = 0);
  double number(const std::string& name, double fallback);
  bool flag(const std::string& name, bool fallback);
  std::string text(const std::string& name, const std::string& fallback);
  std::vector<std::string> texts(const std::string& name);  ///< empty if absent
  std::vector<std::int64_t> integers(
      const std::string& name);                 ///< a number counts as a list of one
  const Json* object(const std::string& name);  ///< nullptr if absent

  /// Marks fields as known that do not affect the result of inference.
  void ignore(std::initializer_list<const char*> names);
  /// Throws Error(input) naming the fields that were neither read nor ignored.
  void refuse_others() const;
  const std::string& where() const { return where_; }

 private:
  const Json* find(const std::string& name);
  [[noreturn]] void wrong(const std::string& name, const char* expected) const;

  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace expo
