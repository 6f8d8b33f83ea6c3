#include "expo/served/answer_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/http/server_words.h"

namespace expo {
namespace {

/// The longest path of a file that systems know.
constexpr std::size_t kLongestName = 4096;

Error malformed(const std::string& where, const std::string& what) {
  return input_error(fmt::format(
      "{}: the server's answer {}; is it a server of the kind that you named?", where, what));
}

Error broken(const std::string& where, const std::string& what, double number) {
  const std::string is = std::isnan(number)   ? "NaN"
                         : std::isinf(number) ? "infinite"
                                              : fmt::format("{:g}", number);
  return input_error(fmt::format(
      "{}: {} is {}; the served model's weights or its arithmetic are broken", where, what, is));
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

std::string name_member(const Json& object, const char* key, const std::string& where) {
  std::string name = text_member(object, key, where);
  if (name.size() <= kLongestName) return name;
  throw malformed(where, fmt::format("has {} bytes as \"{}\"", name.size(), key));
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
                                     cut_words(compact_json(reason))));
}

std::uint64_t tokens_used(const Json& answer, const std::string& where) {
  return count_member(member(answer, "usage", where), "completion_tokens", where);
}

std::uint64_t prompt_tokens_used(const Json& answer, const std::string& where) {
  return count_member(member(answer, "usage", where), "prompt_tokens", where);
}

float finite(const Json& value, const std::string& what, const std::string& where) {
  if (value.is_number()) {
    const double number = value.get<double>();
    if (std::abs(number) <= std::numeric_limits<float>::max()) return static_cast<float>(number);
    throw broken(where, what, number);
  }
  throw malformed(where, fmt::format("has {} where {} is expected",
                                     value.is_null() ? "null" : "no number", what));
}

float log_prob(const Json& value, const std::string& what, const std::string& where) {
  constexpr float kRounding = 1e-3F;
  const float number = finite(value, what, where);
  if (number <= kRounding) return number;
  throw broken(where, what, number);
}

void check_prompt(std::uint64_t read, std::size_t sent, const std::string& where) {
  if (read == sent) return;
  throw input_error(
      fmt::format("{}: the server has read {} tokens as the prompt, but {} were sent; it must take "
                  "token ids as they are, and cut nothing off",
                  where, read, sent));
}

void check_cut(const Answer& answer, const AskedAnswer& asked, std::uint64_t prompt_tokens,
               const std::string& where) {
  const bool is_full = asked.context > 0 && prompt_tokens + answer.tokens >= asked.context;
  if (answer.finish != FinishReason::length || answer.tokens >= asked.limit || is_full) return;
  throw input_error(
      fmt::format("{}: the server has cut the answer at {} tokens, although up to {} were asked "
                  "for; raise its own limit or its context, or give --max-new-tokens {}",
                  where, answer.tokens, asked.limit, answer.tokens));
}

}  // namespace expo
