#include <algorithm>
#include <cstdint>
#include <utility>

#include "expo/core/python_json.h"

namespace expo {
namespace {

constexpr std::uint64_t kBigInteger = 0xB16;  // the subtype of the binary value; any would do

bool holds_big_integer(const Json& value) {
  if (value.is_array())
    return std::ranges::any_of(value.get_ref<const Json::array_t&>(), holds_big_integer);
  if (!value.is_object()) return is_big_integer(value);
  return std::ranges::any_of(value.get_ref<const Json::object_t&>(),
                             [](const auto& member) { return holds_big_integer(member.second); });
}

std::string dumped(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// Writes what Json::dump would write if it knew big integers.
class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  std::string write(const Json& value) {
    add(value, 0);
    return std::move(text_);
  }

 private:
  bool is_pretty() const { return indent_ >= 0; }

  void add(const Json& value, int depth) {
    if (is_big_integer(value)) {
      const auto& digits = value.get_binary();
      text_.append(digits.begin(), digits.end());
    } else if (value.empty() || value.is_primitive()) {
      text_ += dumped(value, -1);
    } else if (value.is_array()) {
      add_list(value, depth, "[]", [&](const Json& entry) { add(entry, depth + 1); });
    } else {
      add_list(value.get_ref<const Json::object_t&>(), depth, "{}", [&](const auto& member) {
        text_ += dumped(member.first, -1) + (is_pretty() ? ": " : ":");
        add(member.second, depth + 1);
      });
    }
  }

  void add_list(const auto& list, int depth, const char* brackets, const auto& add_entry) {
    char before = brackets[0];
    for (const auto& entry : list) {
      text_ += std::exchange(before, ',');
      break_line(depth + 1);
      add_entry(entry);
    }
    break_line(depth);
    text_ += brackets[1];
  }

  void break_line(int depth) {
    if (is_pretty()) text_ += '\n' + std::string(static_cast<std::size_t>(indent_ * depth), ' ');
  }

  int indent_;
  std::string text_;
};

std::string written(const Json& value, int indent) {
  return holds_big_integer(value) ? Writer(indent).write(value) : dumped(value, indent);
}

}  // namespace

Json big_integer(std::string_view digits) {
  return Json::binary({digits.begin(), digits.end()}, kBigInteger);
}

bool is_big_integer(const Json& value) {
  if (!value.is_binary()) return false;
  const auto& binary = value.get_binary();
  return binary.has_subtype() && binary.subtype() == kBigInteger;
}

const char* json_type_name(const Json& value) {
  return is_big_integer(value) ? "number" : value.type_name();
}

std::string compact_json(const Json& value) {
  return written(value, -1);
}

std::string format_json(const Json& value) {
  return written(value, 2) + "\n";
}

}  // namespace expo
