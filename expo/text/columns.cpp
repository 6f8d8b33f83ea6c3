#include "expo/text/columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "expo/core/error.h"
#include "expo/core/python_json.h"

namespace expo {
namespace {

/// What a value is, in the words of a message.
std::string kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::string:
      return "text";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::boolean:
      return "true or false";
    default:
      return "a number";
  }
}

bool has_text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string();
}

/// What is wrong with a part of a message's content; empty if nothing is.
std::string problem_of_part(const Json& part) {
  if (!part.is_object() || !has_text(part, "type"))
    return "is not of the form {\"type\": \"text\", \"text\": …}";
  const std::string type = part["type"];
  if (type != "text")
    return fmt::format("is of the type \"{}\", but only parts of text can be read", type);
  return has_text(part, "text") ? "" : "has no text";
}

std::string problem_of_content(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    for (const auto& [key, value] : message.items())
      if (key != "role" && key != "name" && !value.is_null()) return {};
    return "has no content";
  }
  if (content->is_string()) return {};
  if (!content->is_array())
    return fmt::format("has a content that is neither text nor a list of parts, but {}",
                       kind_of(*content));
  for (std::size_t i = 0; i < content->size(); ++i) {
    const std::string problem = problem_of_part((*content)[i]);
    if (!problem.empty()) return fmt::format("has a content whose part {} {}", i + 1, problem);
  }
  return {};
}

/// What is wrong with a message; empty if nothing is.
std::string problem_of(const Json& message) {
  if (!message.is_object())
    return fmt::format("is not an object like {{\"role\": …, \"content\": …}}, but {}",
                       kind_of(message));
  if (!has_text(message, "role"))
    return message.contains("role") ? "has a role that is not text" : "has no role";
  return problem_of_content(message);
}

Json read_tools(const RowView& row, const Json& value) {
  Json tools = value;
  if (value.is_string()) {
    try {
      tools = parse_python_json(value.get_ref<const std::string&>(), "tools");
    } catch (const Error& error) {
      row.refuse(fmt::format("tools is text that is not JSON: {}", error.what()));
    }
  }
  if (tools.is_null()) return tools;
  if (!tools.is_array())
    row.refuse(fmt::format("tools is not a list of objects, but {}", kind_of(tools)));
  for (std::size_t i = 0; i < tools.size(); ++i) {
    if (tools[i].is_object()) continue;
    row.refuse(fmt::format("tools: entry {} is not an object that describes a function, but {}",
                           i + 1, kind_of(tools[i])));
  }
  return tools;
}

}  // namespace

const Json* RowView::find(const std::string& name,
                          std::initializer_list<std::string_view> candidates) const {
  const auto at = [&](std::string_view key) -> const Json* {
    const auto found = row_.find(key);
    if (found == row_.end() || found->is_null()) return nullptr;
    refuse_non_finite(key, *found);
    return &*found;
  };
  if (!name.empty()) return at(name);
  for (const std::string_view candidate : candidates) {
    if (const Json* value = at(candidate)) return value;
  }
  return nullptr;
}

const Json& RowView::require(const std::string& name,
                             std::initializer_list<std::string_view> candidates,
                             std::string_view option) const {
  if (const Json* value = find(name, candidates)) return *value;
  const auto refuse_null = [&](std::string_view key) {
    if (row_.contains(key)) refuse(fmt::format("the column {} is null", key));
  };
  if (!name.empty()) refuse_null(name);
  for (const std::string_view candidate : candidates) {
    if (name.empty()) refuse_null(candidate);
  }
  refuse(fmt::format("there is no column {}; it has {}; {} names another",
                     name.empty() ? fmt::format("{}", fmt::join(candidates, ", ")) : name, names(),
                     option));
}

std::string RowView::names() const {
  std::vector<std::string> all;
  for (const auto& [key, value] : row_.items()) all.push_back(key);
  return all.empty() ? "none" : fmt::format("{}", fmt::join(all, ", "));
}

void RowView::refuse_non_finite(std::string_view column, const Json& value) const {
  const auto number = find_non_finite(value);
  if (!number) return;
  refuse(
      fmt::format("the column {} {} {}{}, which is not JSON, although Python's json.dumps writes "
                  "it; replace it "
                  "by null or a value, or leave the row out",
                  column, number->path.empty() ? "is" : "holds", number->word,
                  number->path.empty() ? "" : fmt::format(" (at {})", number->path)));
}

void RowView::refuse(const std::string& what) const {
  throw input_error(fmt::format("{}: {}", place_, what));
}

std::string prompt_text(const RowView& row, const Json& value) {
  std::string text = value.get<std::string>();
  const Json* input = &value == row.find("instruction", {}) ? row.find("input", {}) : nullptr;
  if (input == nullptr || !input->is_string()) return text;
  const auto& more = input->get_ref<const std::string&>();
  return more.empty() ? text : text + "\n\n" + more;
}

Json read_messages(const RowView& row, const Json& value, std::string_view column) {
  if (!value.is_array() || value.empty())
    row.refuse(fmt::format("{} is not a list of messages with at least one entry", column));
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string problem = problem_of(value[i]);
    if (!problem.empty()) row.refuse(fmt::format("{}: turn {} {}", column, i + 1, problem));
  }
  return value;
}

Json read_variables(const RowView& row) {
  Json variables = Json::object();
  if (const Json* tools = row.find("", {"tools"})) variables["tools"] = read_tools(row, *tools);
  const Json* more = row.find("", {"chat_template_kwargs"});
  if (more == nullptr) return variables;
  if (!more->is_object()) {
    row.refuse(
        fmt::format("chat_template_kwargs is not an object of variables for the chat "
                    "template, but {}",
                    kind_of(*more)));
  }
  for (const auto& [name, value] : more->items()) variables[name] = value;
  return variables;
}

}  // namespace expo
