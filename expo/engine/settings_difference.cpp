#include "expo/engine/settings_difference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "expo/core/text.h"

namespace expo {
namespace {

/// Adds a text such as "sampling.seed was 0 and is 1" for every leaf in which two objects differ.
void list_differences(const Json& before, const Json& now, const std::string& path,
                      std::vector<std::string>& found) {
  if (before == now) return;
  if (!before.is_object() || !now.is_object()) {
    const auto shown = [](const Json& value) { return cut_to(compact_json(value), 100); };
    found.push_back(fmt::format("{} was {} and is {}", path, shown(before), shown(now)));
    return;
  }
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& [key, value] : before.items())
    list_differences(value, now.value(key, Json()), prefix + key, found);
  for (const auto& [key, value] : now.items()) {
    if (!before.contains(key)) list_differences(Json(), value, prefix + key, found);
  }
}

/// Joins the first of the differences, with the number of the rest.
std::string joined(std::vector<std::string> differences) {
  constexpr std::size_t kShown = 5;
  const std::size_t rest = differences.size() - std::min(kShown, differences.size());
  differences.resize(std::min(kShown, differences.size()));
  return fmt::format("{}{}", fmt::join(differences, ", "),
                     rest == 0 ? "" : fmt::format(" and {} more", rest));
}

}  // namespace

std::string difference_of(const Json& before, const Json& now) {
  std::vector<std::string> found;
  list_differences(before, now, "", found);
  return found.empty() ? std::string() : joined(std::move(found));
}

}  // namespace expo
