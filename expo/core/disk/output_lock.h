#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Keeps a second writer out of an output for as long as it lives, by means of a lock file. Only
/// the holder removes the file, and does so while holding the lock: a lock on a file that still
/// exists is therefore the only one (Filesystem::try_lock ensures that).
class OutputLock {
 public:
  /// Throws Error(environment) if another run holds the lock. `kind` names the kind of output in
  /// the message: "file" or "output folder". The filesystem must outlive this object.
  OutputLock(Filesystem& filesystem, std::filesystem::path lock,
             const std::filesystem::path& output, std::string_view kind);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  Filesystem& filesystem_;
  std::filesystem::path path_;
  std::unique_ptr<FileLock> lock_;
};

}  // namespace expo
