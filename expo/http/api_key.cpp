#include "expo/http/api_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::size_t kShortestSecret = 8;

}  // namespace

ApiKey ApiKey::from_environment(const std::string& variable, const std::string& option) {
  if (variable.empty()) return {};
  const char* const value = std::getenv(variable.c_str());
  if (value == nullptr || *value == '\0') {
    throw usage_error(
        fmt::format("{}: the environment variable {} is not set; it is to hold the "
                    "server's key (the option takes the variable's name, never the key)",
                    option, variable));
  }
  ApiKey result;
  result.variable_ = variable;
  result.key_ = value;
  const auto is_printable = [](char c) { return c > ' ' && c < 0x7F; };
  if (!std::ranges::all_of(result.key_, is_printable)) {
    throw usage_error(
        fmt::format("{}: the value of {} has a space, a line end or another character "
                    "that no key has; set it again without",
                    option, variable));
  }
  return result;
}

std::string ApiKey::hidden_in(std::string text) const {
  if (is_none()) return text;
  const std::string shown = "[the key]";
  for (std::size_t at = text.find(key_); at != std::string::npos;
       at = text.find(key_, at + shown.size()))
    text.replace(at, key_.size(), shown);
  return text;
}

std::string ApiKey::hidden_in_body(std::string body) const {
  return key_.size() < kShortestSecret ? body : hidden_in(std::move(body));
}

void ApiKey::hide_in(Json& json) const {
  if (key_.size() < kShortestSecret) return;
  if (json.is_string()) {
    auto& text = json.get_ref<std::string&>();
    if (text.find(key_) != std::string::npos) text = hidden_in(text);
  } else if (json.is_structured()) {
    for (Json& each : json) hide_in(each);
  }
}

}  // namespace expo
