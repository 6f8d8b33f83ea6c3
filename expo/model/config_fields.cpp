#include "expo/model/config_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "expo/core/error.h"

namespace expo {

ConfigFields::ConfigFields(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object_.is_object()) throw input_error(where_ + ": expected a JSON object");
}

const Json* ConfigFields::find(const std::string& name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigFields::wrong(const std::string& name, const char* expected) const {
  throw input_error(fmt::format("{}: \"{}\" is {}; expected {}", where_, name,
                                object_.contains(name) ? object_[name].dump() : "missing",
                                expected));
}

bool ConfigFields::has(const std::string& name) const {
  const auto found = object_.find(name);
  return found != object_.end() && !found->is_null();
}

bool ConfigFields::mentions(const std::string& name) const {
  return object_.contains(name);
}

std::int64_t ConfigFields::integer(const std::string& name) {
  if (find(name) == nullptr) wrong(name, "a positive integer");
  return integer(name, 1, 1);
}

std::int64_t ConfigFields::integer(const std::string& name, std::int64_t fallback,
                                   std::int64_t lowest) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  constexpr std::int64_t kHighest = std::numeric_limits<std::int32_t>::max();
  const bool fits = value->is_number_unsigned()
                        ? value->get<std::uint64_t>() <= std::uint64_t{kHighest}
                        : value->is_number_integer() && value->get<std::int64_t>() <= kHighest;
  if (!fits || value->get<std::int64_t>() < lowest)
    wrong(name, fmt::format("an integer from {} to {}", lowest, kHighest).c_str());
  return value->get<std::int64_t>();
}

double ConfigFields::number(const std::string& name, double fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number()) wrong(name, "a number");
  return value->get<double>();
}

bool ConfigFields::flag(const std::string& name, bool fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong(name, "true or false");
  return value->get<bool>();
}

std::string ConfigFields::text(const std::string& name, const std::string& fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) wrong(name, "a string");
  return value->get<std::string>();
}

std::vector<std::string> ConfigFields::texts(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) wrong(name, "a list of strings");
  std::vector<std::string> result;
  for (const Json& item : *value) {
    if (!item.is_string()) wrong(name, "a list of strings");
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::vector<std::int64_t> ConfigFields::integers(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_number_integer()) return {value->get<std::int64_t>()};
  if (!value->is_array()) wrong(name, "an integer or a list of integers");
  std::vector<std::int64_t> result;
  for (const Json& item : *value) {
    if (!item.is_number_integer()) wrong(name, "an integer or a list of integers");
    result.push_back(item.get<std::int64_t>());
  }
  return result;
}

const Json* ConfigFields::object(const std::string& name) {
  const Json* value = find(name);
  if (value != nullptr && !value->is_object()) wrong(name, "an object");
  return value;
}

void ConfigFields::ignore(std::initializer_list<const char*> names) {
  known_.insert(names.begin(), names.end());
}

void ConfigFields::refuse_others() const {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : object_.items()) {
    // A field without a value has no effect on the computation.
    if (!value.is_null() && !known_.contains(name)) unknown.push_back('"' + name + '"');
  }
  if (unknown.empty()) return;
  throw input_error(fmt::format(
      "{}: the field{} {} {} unknown and could change what the model computes; remove only "
      "fields that have no effect",
      where_, unknown.size() == 1 ? "" : "s", fmt::join(unknown, ", "),
      unknown.size() == 1 ? "is" : "are"));
}

}  // namespace expo
