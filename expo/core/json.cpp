#include "expo/core/json.h"

#include <set>
#include <utility>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

using Base = nlohmann::json_sax<Json>;

/// Builds the value from parse events, so that depth and duplicate keys are checked as they appear.
class Builder : public Base {
 public:
  Builder(std::string_view where, int max_depth) : where_(where), max_depth_(max_depth) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    if (!keys_.back().insert(value).second) {
      throw input_error(where_ + ": the key \"" + value + "\" occurs twice in one JSON object");
    }
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& failure) override {
    const std::string reason = failure.what();
    const std::size_t colon = reason.find(": ");
    throw input_error(where_ + ": not valid JSON at byte " + std::to_string(position) + " (" +
                      (colon == std::string::npos ? reason : reason.substr(colon + 2)) +
                      "); the file is damaged or is not what its name says");
  }

  Json take() { return std::move(root_); }

 private:
  Json* place(Json value) {
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

  std::string where_;
  int max_depth_;
  Json root_;
  std::vector<Json*> stack_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view where, int max_depth) {
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
  Builder builder(where, max_depth);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string compact_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string format_json(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace expo
