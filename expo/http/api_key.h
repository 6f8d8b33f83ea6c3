#pragma once

#include <string>

#include "expo/core/json.h"

namespace expo {

/// The key that a server wants, or none. It comes from an environment variable and goes nowhere but
/// into the header of a request.
class ApiKey {
 public:
  ApiKey() = default;
  /// Reads the variable of this name, which `option` has named; no key for an empty name. Throws
  /// Error(usage) if it is not set, is empty, or holds what cannot stand in a header.
  static ApiKey from_environment(const std::string& variable,
                                 const std::string& option = "--key-variable");

  bool is_none() const { return key_.empty(); }
  /// The name of the variable.
  const std::string& variable() const { return variable_; }
  /// "Authorization: Bearer …"
  std::string header() const { return "Authorization: Bearer " + key_; }
  /// The text with the key replaced, wherever it occurs: servers repeat keys in their errors.
  std::string hidden_in(std::string text) const;
  /// The same in the body of an answer, and in the strings of its JSON. A key of less than eight
  /// characters is no secret, but may be a word of the answer ("stop"): it stays.
  std::string hidden_in_body(std::string body) const;
  void hide_in(Json& json) const;

 private:
  std::string variable_;
  std::string key_;
};

}  // namespace expo
