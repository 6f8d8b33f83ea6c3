#include "expo/served/answer_fields.h"

#include <fmt/format.h>

#include <cmath>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

Error malformed(const std::string& where, const std::string& what) {
  return input_error(fmt::format(
      "{}: the server's answer {}; is it a server of the kind that you named?", where, what));
}

}  // namespace

const Json& member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key))
    throw malformed(where, fmt::format("has no \"{}\"", key));
  return object.at(key);
}

std::string text_member(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) throw malformed(where, fmt::format("has no text as \"{}\"", key));
  return value.get<std::string>();
}

std::uint64_t count_member(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_number_unsigned())
    throw malformed(where, fmt::format("has no count as \"{}\"", key));
  return value.get<std::uint64_t>();
}

std::vector<const Json*> rows_by_index(const Json& array, std::size_t count,
                                       const std::string& where) {
  if (!array.is_array() || array.size() != count)
    throw malformed(where, fmt::format("does not have {}", counted(count, "row")));
  std::vector<const Json*> rows(count, nullptr);
  for (const Json& row : array) {
    const std::uint64_t index = count_member(row, "index", where);
    if (index >= count || rows[index] != nullptr) {
      throw malformed(where, fmt::format("has a row of index {} {}", index,
                                         index >= count ? "that was not asked for" : "twice"));
    }
    rows[index] = &row;
  }
  return rows;
}

const Json& only_choice(const Json& answer, const std::string& where) {
  return *rows_by_index(member(answer, "choices", where), 1, where).front();
}

FinishReason finish_of(const Json& choice, const std::string& where) {
  const Json& reason = member(choice, "finish_reason", where);
  if (reason == "stop") return FinishReason::stop;
  if (reason == "length") return FinishReason::length;
  throw malformed(where, fmt::format("was ended by {}, neither by its end nor by its length",
                                     on_one_line(compact_json(reason))));
}

std::uint64_t tokens_used(const Json& answer, const std::string& where) {
  return count_member(member(answer, "usage", where), "completion_tokens", where);
}

float finite(const Json& value, const std::string& what, const std::string& where) {
  if (value.is_number()) {
    const double number = value.get<double>();
    if (std::isfinite(number)) return static_cast<float>(number);
    throw input_error(
        fmt::format("{}: {} is {}; the served model's weights or its arithmetic are broken", where,
                    what, std::isnan(number) ? "NaN" : "infinite"));
  }
  throw malformed(where, fmt::format("has {} where {} is expected",
                                     value.is_null() ? "null" : "no number", what));
}

}  // namespace expo
