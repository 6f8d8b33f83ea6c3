#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Whether a path is the folder or below it, judged by the names alone; both must be canonical.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// Decides which links of a checkpoint's folder are followed, by one rule for its index, shards,
/// config.json and side files. A cloned repository must not be able to pass off any file of the
/// machine as its own, but folders whose files are links into a store of models are in wide use. A
/// path is accepted if it leads to
///   - the folder itself, or anything below it that is not hidden (a name that begins with '.'),
///     unless it is named by a hash;
///   - the Hugging Face cache: in a snapshot (CACHE/MODEL/snapshots/COMMIT/) to where the cache
///     keeps its files, CACHE/MODEL/blobs/ or CACHE/blobs/XX/, which models share; from a folder
///     outside the cache to CACHE/models--OWNER--NAME/blobs/, as older downloads into a folder do;
///   - the store of its weights, which is where its weight file leads: the file whose name was
///     given or chosen (for an index: the index file or, if that lies in the folder, its shards, if
///     all of them lead out of it to the same store). In the folder that really holds the weights,
///     a file is accepted at the same place (STORE/1_Pooling/config.json for
///     1_Pooling/config.json) or directly in the folder, unless its name begins with '.'; that
///     folder is not a store if it contains the checkpoint's own, because what lies around a
///     repository is not part of it. If the weights' real name is a hash, files whose names are
///     hashes are also accepted in the folders that such a store spreads its files over
///     (STORE/ab/cdef…, as data version control keeps them).
/// Immutable.
class LinkScope {
 public:
  /// Without weights there is no store.
  LinkScope(Filesystem& filesystem, const std::filesystem::path& folder);
  /// `chosen` is the weight file or the index, and `shards` are the files that the index names; all
  /// are in `folder`.
  LinkScope(Filesystem& filesystem, const std::filesystem::path& folder,
            const std::filesystem::path& chosen,
            std::span<const std::filesystem::path> shards = {});

  /// Where a path in the folder leads if that place is not accepted; std::nullopt if it is.
  std::optional<std::filesystem::path> way_out(const std::filesystem::path& path) const;

 private:
  /// The places outside the checkpoint's folder where its files may be; empty if there are none.
  struct Store {
    std::filesystem::path folder;  ///< the folder of the weight file
    std::filesystem::path
        objects;  ///< parent of the folders that files named by hashes are spread over

    bool is_none() const { return folder.empty() && objects.empty(); }
    bool is_same(const Store& other) const {
      return (!folder.empty() && folder == other.folder) ||
             (!objects.empty() && objects == other.objects);
    }
  };

  Store store_of(const std::filesystem::path& weights) const;
  bool is_in_cache(const std::filesystem::path& real) const;
  bool is_hidden_inside(const std::filesystem::path& path, const std::filesystem::path& real) const;
  bool is_in_store(const std::filesystem::path& path, const std::filesystem::path& real) const;

  Filesystem* filesystem_;
  std::filesystem::path folder_;
  std::filesystem::path home_;  ///< folder_ with links resolved
  Store store_;
};

}  // namespace expo
