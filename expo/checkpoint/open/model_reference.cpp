#include "expo/checkpoint/open/model_reference.h"

#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

bool is_path(Filesystem& filesystem, const std::string& name) {
  return !name.empty() && name.find('\0') == name.npos && filesystem.exists(name);
}

/// The number of characters of `rest` that make up its first part.
std::size_t first_part(Filesystem& filesystem, const std::string& rest) {
  for (std::size_t end = rest.size(); end != std::string::npos && end > 0;
       end = rest.rfind('+', end - 1)) {
    if (is_path(filesystem, rest.substr(0, end))) return end;
  }
  return std::min(rest.find('+'), rest.size());
}

/// Handles a repository's folder in the cache that is given by its path.
std::optional<ModelLocation> main_revision(Filesystem& filesystem, const Path& folder) {
  const Path real = filesystem.canonical(folder);
  const auto id = hub_id_of_repository(real.filename().string());
  if (!id || !filesystem.is_directory(real / "snapshots")) return std::nullopt;
  HubSnapshot snapshot =
      find_hub_snapshot(filesystem, *id, "", {{"HF_HUB_CACHE", real.parent_path().string()}});
  return ModelLocation{snapshot.folder, true, snapshot};
}

ModelLocation locate_path(Filesystem& filesystem, const Path& path, bool is_folder) {
  if (!is_folder) {
    const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
    return {path, false, snapshot_at(filesystem, folder)};
  }
  if (auto repository = main_revision(filesystem, path)) return *repository;
  return {path, true, snapshot_at(filesystem, path)};
}

}  // namespace

std::vector<std::string> split_reference(Filesystem& filesystem, const std::string& reference) {
  std::vector<std::string> parts;
  std::string rest = reference;
  while (true) {
    const std::size_t end = first_part(filesystem, rest);
    parts.push_back(rest.substr(0, end));
    if (parts.back().empty()) {
      throw input_error("\"" + reference +
                        "\" names no model: expected a folder, a file, a Hugging Face id, or "
                        "BASE+ADAPTER of these");
    }
    if (end == rest.size()) return parts;
    rest.erase(0, end + 1);
  }
}

ModelLocation locate_model(Filesystem& filesystem, const std::string& name,
                           const Environment& environment) {
  if (is_path(filesystem, name)) {
    return locate_path(filesystem, name, filesystem.is_directory(name));
  }
  const std::size_t at = name.find('@');
  const std::string id = name.substr(0, at);
  if (!is_hub_id(id)) {
    throw input_error(name + ": there is no such file or folder");
  }
  if (at != name.npos && at + 1 == name.size()) {
    throw input_error(name + ": a revision is missing after '@'");
  }
  HubSnapshot snapshot = find_hub_snapshot(
      filesystem, id, at == name.npos ? std::string() : name.substr(at + 1), environment);
  return {snapshot.folder, true, snapshot};
}

}  // namespace expo
