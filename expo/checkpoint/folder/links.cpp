#include "expo/checkpoint/folder/links.h"

#include <algorithm>

namespace expo {
namespace {

using Path = std::filesystem::path;

/// Whether a file lies in HUB/models--OWNER--NAME/blobs/, which a download into a folder outside
/// the cache may link to.
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

/// Whether a file is named by a hash, perhaps among other words. 30 hexadecimal digits in a row are
/// enough, because the first two of an MD5 may be its folder's name.
bool is_named_by_hash(const Path& file) {
  std::size_t digits = 0;
  for (const char c : file.filename().string()) {
    const bool is_digit =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    digits = is_digit ? digits + 1 : 0;
    if (digits == 30) return true;
  }
  return false;
}

/// Whether a folder is one of many that a store spreads its files over: "ab", or a folder for this
/// one file, with the same name.
bool is_spread(const Path& folder, const Path& file) {
  return folder.filename().string().size() <= 3 || folder.filename() == file.filename();
}

/// The parent of the folders that files named by their hash are spread over.
Path objects_folder(const Path& file) {
  constexpr int kDeepest = 3;
  Path folder = file.parent_path();
  for (int i = 0; i < kDeepest && folder.has_relative_path() && is_spread(folder, file); ++i) {
    folder = folder.parent_path();
  }
  return folder;
}

}  // namespace

bool lies_in(const Path& path, const Path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

LinkScope::LinkScope(Filesystem& filesystem, const Path& folder)
    : filesystem_(&filesystem), folder_(folder), home_(filesystem.canonical(folder)) {}

LinkScope::LinkScope(Filesystem& filesystem, const Path& folder, const Path& chosen,
                     std::span<const Path> shards)
    : LinkScope(filesystem, folder) {
  store_ = store_of(chosen);
  if (!store_.is_none() || shards.empty()) return;
  const Store first = store_of(shards.front());
  const bool is_one = std::ranges::all_of(
      shards, [&](const Path& shard) { return store_of(shard).is_same(first); });
  if (is_one) store_ = first;
}

LinkScope::Store LinkScope::store_of(const Path& weights) const {
  const Path real = filesystem_->canonical(weights);
  if (lies_in(real, home_)) return {};
  Store store;
  if (!lies_in(home_, real.parent_path())) store.folder = real.parent_path();
  if (is_named_by_hash(real) && !lies_in(home_, objects_folder(real)))
    store.objects = objects_folder(real);
  return store;
}

bool LinkScope::is_in_cache(const Path& real) const {
  bool in_snapshot = false;
  // The checkpoint may be a folder within the snapshot.
  for (Path above = home_; above.has_relative_path(); above = above.parent_path()) {
    if (is_cached_blob(real, above)) return true;
    in_snapshot = in_snapshot || above.parent_path().filename() == "snapshots";
  }
  return !in_snapshot && lies_in_a_cache(real);
}

bool LinkScope::is_in_store(const Path& path, const Path& real) const {
  const bool is_object =
      !store_.objects.empty() && is_named_by_hash(real) && objects_folder(real) == store_.objects;
  if (is_object) return true;
  if (store_.folder.empty() || real.filename().string().starts_with('.')) return false;
  return real.parent_path() == store_.folder ||
         real == store_.folder / path.lexically_relative(folder_);
}

/// Whether a link leads to what the folder hides, such as .git/config, which may hold a password. A
/// store within the folder names its files by their hashes.
bool LinkScope::is_hidden_inside(const Path& path, const Path& real) const {
  const Path place = real.lexically_relative(home_);
  if (place == path.lexically_relative(folder_) || is_named_by_hash(real)) return false;
  return std::ranges::any_of(
      place, [](const Path& part) { return part != "." && part.string().starts_with('.'); });
}

std::optional<Path> LinkScope::way_out(const Path& path) const {
  Path real = filesystem_->canonical(path);
  const bool is_inside = lies_in(real, home_) && !is_hidden_inside(path, real);
  if (is_inside || is_in_cache(real) || is_in_store(path, real)) return std::nullopt;
  return real;
}

}  // namespace expo
