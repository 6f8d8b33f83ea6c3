#include "expo/text/columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "expo/core/error.h"
#include "expo/core/python_json.h"

namespace expo {

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
  std::vector<std::string> there;
  for (const auto& [key, value] : row_.items()) there.push_back(key);
  refuse(fmt::format("there is no column {}; it has {}; {} names another",
                     name.empty() ? fmt::format("{}", fmt::join(candidates, ", ")) : name,
                     there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", ")), option));
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
  Json messages = Json::array();
  for (const Json& entry : value) {
    const bool fits = entry.is_object() && entry.contains("role") && entry["role"].is_string() &&
                      entry.contains("content") && entry["content"].is_string();
    if (!fits) {
      row.refuse(
          fmt::format("{}: entry {} is not of the form {{\"role\": …, \"content\": …}} with texts",
                      column, messages.size() + 1));
    }
    messages.push_back({{"role", entry["role"]}, {"content", entry["content"]}});
  }
  return messages;
}

}  // namespace expo
