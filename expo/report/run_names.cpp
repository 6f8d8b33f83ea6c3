#include "expo/report/run_names.h"

#include <algorithm>
#include <cstddef>

namespace expo {
namespace {

using Parts = std::vector<std::string>;

Parts parts_of(const std::filesystem::path& path) {
  Parts parts;
  for (const auto& part : path.lexically_normal()) {
    if (!part.empty() && part != "/") parts.push_back(part.string());
  }
  return parts;
}

/// Removes what all begin with, but leaves each at least one part.
void drop_common_beginning(std::vector<Parts>& all) {
  const auto is_common = [&](std::size_t count) {
    return std::ranges::all_of(all, [&](const Parts& parts) {
      return count + 1 < parts.size() && parts[count] == all.front().at(count);
    });
  };
  std::size_t count = 0;
  while (is_common(count)) ++count;
  for (Parts& parts : all) parts.erase(parts.begin(), parts.begin() + static_cast<int>(count));
}

std::string joined(const Parts& parts) {
  std::filesystem::path path;
  for (const std::string& part : parts) path /= part;
  return path.string();
}

}  // namespace

std::vector<std::string> distinguishing_names(const std::vector<std::filesystem::path>& paths) {
  std::vector<Parts> all;
  for (const auto& path : paths) all.push_back(parts_of(path));
  drop_common_beginning(all);
  for (Parts& parts : all) std::ranges::reverse(parts);
  if (all.size() > 1) drop_common_beginning(all);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::ranges::reverse(all[i]);
    names.push_back(all[i].empty() ? paths[i].string() : joined(all[i]));
  }
  return names;
}

}  // namespace expo
