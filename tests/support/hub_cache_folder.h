#pragma once

#include <filesystem>
#include <string>

#include "expo/checkpoint/hub/cache.h"
#include "support/temporary_folder.h"

namespace expo {

/// A Hugging Face cache in a temporary folder: blobs, and snapshots that link to them.
class HubCacheFolder {
 public:
  std::filesystem::path path() const { return folder_.path(); }
  Environment environment() const { return {{"HF_HUB_CACHE", folder_.path().string()}}; }
  std::filesystem::path repository(const std::string& model_id) const;
  std::filesystem::path snapshot(const std::string& model_id, const std::string& commit) const;

  /// Puts a file into a snapshot, as a link to blobs/BLOB.
  void add(const std::string& model_id, const std::string& commit, const std::string& name,
           const std::string& bytes, const std::string& blob) const;
  /// Does the same, but the blob itself is a link into the store that models share, blobs/HA/HASH.
  void add_shared(const std::string& model_id, const std::string& commit, const std::string& name,
                  const std::string& bytes, const std::string& blob, const std::string& hash) const;
  /// Makes refs/REVISION contain COMMIT.
  void set_ref(const std::string& model_id, const std::string& revision,
               const std::string& commit) const;
  /// Writes any file below the model's folder.
  void write(const std::string& model_id, const std::string& name, const std::string& text) const;

 private:
  void link(const std::string& model_id, const std::string& commit, const std::string& name,
            const std::string& blob) const;

  TemporaryFolder folder_;
};

}  // namespace expo
