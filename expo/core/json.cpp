#include "expo/core/json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/core/text.h"

namespace expo {
namespace {

using Base = nlohmann::json_sax<Json>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct PythonNumber {
  std::string_view word;
  double value;
};
constexpr std::array<PythonNumber, 3> kPythonNumbers{
    {{"NaN", std::numeric_limits<double>::quiet_NaN()},
     {"Infinity", kInfinity},
     {"-Infinity", -kInfinity}}};

bool is_of_a_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// The number that Python would read at a place of the text, but not JSON.
const PythonNumber* python_number_at(std::string_view text, std::size_t place) {
  const std::string_view rest = text.substr(std::min(place, text.size()));
  for (const PythonNumber& number : kPythonNumbers) {
    if (!rest.starts_with(number.word)) continue;
    const bool ends = rest.size() == number.word.size() || !is_of_a_word(rest[number.word.size()]);
    return ends ? &number : nullptr;
  }
  return nullptr;
}

/// "line 3, column 7"; of a text of one line, such as a row of JSON lines, only the column. Counts
/// characters, not bytes.
std::string place_in(std::string_view text, std::size_t place) {
  const std::string_view before = text.substr(0, place);
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::size_t column = count_characters(before.substr(line_begin));
  const std::string in_line = "column " + std::to_string(column + 1);
  const std::string_view trimmed = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  if (trimmed.find('\n') == std::string_view::npos) return in_line;
  return "line " + std::to_string(std::ranges::count(before, '\n') + 1) + ", " + in_line;
}

void add_key(std::string& path, std::string_view key) {
  if (!path.empty()) path += '.';
  path += key;
}

void add_index(std::string& path, std::size_t index) {
  path += '[' + std::to_string(index) + ']';
}

/// Whether JSON's text of a number is an integer; -0 is one, too.
bool is_integer_text(std::string_view text) {
  return text.find_first_of(".eE") == std::string_view::npos;
}

/// The length of the number that begins at the beginning of the text, by JSON's grammar; 0 if there
/// is none.
std::size_t number_width(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t first = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > first;
  };
  const auto take = [&](std::string_view any) {
    const bool found = at < text.size() && any.find(text[at]) != std::string_view::npos;
    if (found) ++at;
    return found;
  };
  take("-");
  if (!take("0") && !digits()) return 0;
  if (take(".") && !digits()) return 0;
  if (take("eE")) {
    take("+-");
    if (!digits()) return 0;
  }
  return at;
}

/// A number that the parser refuses because no double is as large.
std::optional<Json> number_beyond_doubles(std::string_view text) {
  constexpr std::size_t kLargestDigits = 309;
  const bool may_be = text.size() >= kLargestDigits || text.find_first_of("eE") != text.npos;
  if (!may_be) return std::nullopt;
  const double value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isinf(value)) return std::nullopt;
  return is_integer_text(text) ? big_integer(text) : Json(value);
}

/// JSON with numbers that the parser does not take, made JSON: an empty list as wide as the number
/// in place of each, so that places in the text stay what they are.
struct ReplacedNumbers {
  struct Number {
    std::size_t list;  ///< how many lists begin before it
    Json value;
  };
  std::string text;
  std::vector<Number> numbers;  ///< in the order of the text
};

class NumberReplacing {
 public:
  explicit NumberReplacing(std::string_view text) : text_(text), result_{std::string(text), {}} {}

  ReplacedNumbers run() {
    bool in_string = false;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (in_string && c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = !in_string;
      } else if (!in_string && c == '[') {
        ++lists_;
      } else if (!in_string) {
        i += std::max<std::size_t>(replaced_at(i), 1) - 1;
      }
    }
    return std::move(result_);
  }

 private:
  /// Returns how many characters of a number there are, 0 if there is none.
  std::size_t replaced_at(std::size_t place) {
    const char c = text_[place];
    if (c == 'N' || c == 'I' || c == '-') {
      if (const PythonNumber* number = python_number_at(text_, place))
        return replace(place, number->word.size(), number->value);
    }
    if (c != '-' && (c < '0' || c > '9')) return 0;
    const std::size_t width = number_width(text_.substr(place));
    auto value = number_beyond_doubles(text_.substr(place, width));
    return value ? replace(place, width, *std::move(value)) : width;
  }

  std::size_t replace(std::size_t place, std::size_t width, Json value) {
    result_.text.replace(place, width, '[' + std::string(width - 2, ' ') + ']');
    result_.numbers.push_back({lists_++, std::move(value)});
    return width;
  }

  std::string_view text_;
  ReplacedNumbers result_;
  std::size_t lists_ = 0;  ///< how many have begun
};

/// Text of a file, fit for a message.
std::string shortened(std::string text) {
  return cut_to(std::move(text), 200);
}

/// How numbers are read that Json's own numbers do not hold.
struct NumberReading {
  bool keeps_integers = false;    ///< beyond 64 bits, with their digits
  bool stops_at_largest = false;  ///< without an error, at a number that no double is as large as
  std::span<const ReplacedNumbers::Number> replaced = {};
};

/// Builds the value from parse events, so that depth and duplicate keys are checked as they appear.
class Builder : public Base {
 public:
  Builder(std::string_view text, std::string_view where, int max_depth, NumberReading numbers)
      : text_(text), where_(where), max_depth_(max_depth), numbers_(numbers) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    const bool rounded = numbers_.keeps_integers && is_integer_text(text);
    return add(rounded ? big_integer(text) : Json(value));
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool end_array() override { return std::exchange(in_number_, false) || close(); }

  bool start_array(std::size_t) override {
    const std::size_t list = lists_++;
    const auto& replaced = numbers_.replaced;
    if (next_number_ == replaced.size() || replaced[next_number_].list != list) {
      return open(Json::array());
    }
    in_number_ = true;
    return add(replaced[next_number_++].value);
  }

  bool key(string_t& value) override {
    if (!keys_.back().insert(value).second) {
      throw input_error(where_ + ": the key \"" + value + "\" occurs twice in one JSON object");
    }
    key_ = std::move(value);
    awaits_value_ = true;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& failure) override {
    constexpr int kTooLarge = 406;
    if (numbers_.stops_at_largest && failure.id == kTooLarge) return false;
    refuse_python_number(position);
    const std::string reason = failure.what();
    const std::size_t colon = reason.find(": ");
    throw input_error(where_ + ": not valid JSON at byte " + std::to_string(position) + " (" +
                      (colon == std::string::npos ? reason : reason.substr(colon + 2)) +
                      "); the file is damaged or is not what its name says");
  }

  Json take() { return std::move(root_); }

 private:
  /// The parser stops one or two characters into the word, depending on its first one.
  void refuse_python_number(std::size_t position) const {
    for (std::size_t back = std::min<std::size_t>(position, 2); back > 0; --back) {
      const std::size_t place = position - back;
      const PythonNumber* number = python_number_at(text_, place);
      if (number == nullptr) continue;
      const std::string path = shortened(path_of_next());
      throw input_error(where_ + ": " + std::string(number->word) + " at " +
                        place_in(text_, place) + (path.empty() ? "" : " (" + path + ")") +
                        " is not JSON, although Python's json.dumps writes it; replace it by null "
                        "or by a finite number");
    }
  }

  /// Where the value stands that is parsed next: "a.b[3]".
  std::string path_of_next() const {
    std::string path;
    for (std::size_t i = 0; i < stack_.size(); ++i) {
      const bool is_last = i + 1 == stack_.size();
      const Json& value = *stack_[i];
      if (value.is_array()) {
        add_index(path, is_last ? value.size() : value.size() - 1);
      } else if (!is_last) {
        add_key(path, value.get_ref<const Json::object_t&>().back().first);
      } else if (awaits_value_) {
        add_key(path, key_);
      }
    }
    return path;
  }

  Json* place(Json value) {
    awaits_value_ = false;
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // Appended without a lookup: ordered_json searches its keys one by one, and keys_ already
    // ensures that they are unique.
    auto& members = parent.get_ref<Json::object_t&>();
    members.Container::emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (static_cast<int>(stack_.size()) >= max_depth_) {
      throw input_error(where_ + ": the JSON is nested deeper than " + std::to_string(max_depth_) +
                        " levels");
    }
    stack_.push_back(place(std::move(value)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string where_;
  int max_depth_;
  NumberReading numbers_;
  std::size_t next_number_ = 0;
  std::size_t lists_ = 0;   ///< how many have begun
  bool in_number_ = false;  ///< within a list that stands for a number
  Json root_;
  std::vector<Json*> stack_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
  bool awaits_value_ = false;  ///< key_ has no value yet
};

/// Returns nothing where NumberReading::stops_at_largest ended it.
std::optional<Json> parse(std::string_view text, std::string_view where, int max_depth,
                          const NumberReading& numbers) {
  // The parser itself skips a byte-order mark, but strict JSON has none.
  if (text.starts_with("\xEF\xBB\xBF")) {
    throw input_error(std::string(where) +
                      ": the JSON begins with a byte-order mark; save it as UTF-8 without one");
  }
  // The parser takes a NUL as the end of its input.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw input_error(std::string(where) + ": not valid JSON: a NUL byte at byte " +
                      std::to_string(nul));
  }
  Builder builder(text, where, max_depth, numbers);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return std::nullopt;
  return builder.take();
}

bool find_non_finite(const Json& value, NonFiniteNumber& found) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isfinite(number)) return false;
    found.word = std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
    return true;
  }
  const std::size_t length = found.path.size();
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      add_index(found.path, i);
      if (find_non_finite(value[i], found)) return true;
      found.path.resize(length);
    }
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
      add_key(found.path, key);
      if (find_non_finite(member, found)) return true;
      found.path.resize(length);
    }
  }
  return false;
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where, int max_depth) {
  return parse(text, where, max_depth, {}).value();
}

Json parse_python_json(std::string_view text, std::string_view where, int max_depth) {
  const bool has_any =
      text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos;
  if (!has_any) {
    auto value = parse(text, where, max_depth, {.keeps_integers = true, .stops_at_largest = true});
    if (value) return *std::move(value);
  }
  const ReplacedNumbers replaced = NumberReplacing(text).run();
  return parse(replaced.text, where, max_depth,
               {.keeps_integers = true, .replaced = replaced.numbers})
      .value();
}

std::optional<NonFiniteNumber> find_non_finite(const Json& value) {
  NonFiniteNumber found;
  if (!find_non_finite(value, found)) return std::nullopt;
  found.path = shortened(std::move(found.path));
  return found;
}

}  // namespace expo
