#include "expo/checkpoint/folder_links.h"

#include <algorithm>

namespace expo {
namespace {

using Path = std::filesystem::path;

bool is_inside(const Path& path, const Path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

bool is_cached_blob(const Path& file, const Path& snapshot) {
  if (snapshot.parent_path().filename() != "snapshots") return false;
  const Path model = snapshot.parent_path().parent_path();
  return file.parent_path() == model / "blobs" ||
         file.parent_path().parent_path() == model.parent_path() / "blobs";
}

}  // namespace

std::optional<Path> way_out(Filesystem& filesystem, const Path& folder, const Path& path) {
  const Path home = filesystem.canonical(folder);
  Path real = filesystem.canonical(path);
  if (is_inside(real, home)) return std::nullopt;
  // The checkpoint may be a folder within the snapshot.
  for (Path above = home; above.has_relative_path(); above = above.parent_path()) {
    if (is_cached_blob(real, above)) return std::nullopt;
  }
  return real;
}

}  // namespace expo
