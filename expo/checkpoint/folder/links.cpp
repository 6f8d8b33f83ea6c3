#include "expo/checkpoint/folder/links.h"

#include <algorithm>

namespace expo {
namespace {

using Path = std::filesystem::path;

/// HUB/models--OWNER--NAME/blobs/…: what a download into a folder of its own may link to.
bool lies_in_a_cache(const Path& file) {
  return file.parent_path().filename() == "blobs" &&
         file.parent_path().parent_path().filename().string().starts_with("models--");
}

bool is_cached_blob(const Path& file, const Path& snapshot) {
  if (snapshot.parent_path().filename() != "snapshots") return false;
  const Path model = snapshot.parent_path().parent_path();
  return file.parent_path() == model / "blobs" ||
         file.parent_path().parent_path() == model.parent_path() / "blobs";
}

}  // namespace

bool lies_in(const Path& path, const Path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

std::optional<Path> way_out(Filesystem& filesystem, const Path& folder, const Path& path) {
  const Path home = filesystem.canonical(folder);
  Path real = filesystem.canonical(path);
  if (lies_in(real, home)) return std::nullopt;
  bool in_snapshot = false;
  // The checkpoint may be a folder within the snapshot.
  for (Path above = home; above.has_relative_path(); above = above.parent_path()) {
    if (is_cached_blob(real, above)) return std::nullopt;
    in_snapshot = in_snapshot || above.parent_path().filename() == "snapshots";
  }
  if (!in_snapshot && lies_in_a_cache(real)) return std::nullopt;
  return real;
}

}  // namespace expo
