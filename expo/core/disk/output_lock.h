#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Keeps a second writer out of an output for as long as it lives, by a lock file. Only its holder
/// removes the file, and while holding it: whoever gets a lock on a file that is still there has
/// the only one (Filesystem::try_lock sees to that).
class OutputLock {
 public:
  /// Throws Error(environment) where another run holds it; `kind` tells what the output is: "file",
  /// "output folder". The filesystem must outlive it.
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
