#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"

namespace expo {

/// Throws Error(usage) if a page cannot be written there: there is a folder or what is no regular
/// file, or a file and `overwrite` is not set, or no folder that could hold it.
void check_page_place(Filesystem& filesystem, const std::filesystem::path& path, bool overwrite);

/// A file that is written piece by piece and appears, or replaces another one, only when it is
/// complete. A symbolic link is replaced itself; what it leads to stays. Not thread-safe.
class PageFile {
 public:
  /// Begins the new file beside its place, under another name. Throws what check_page_place()
  /// throws, and Error(environment) if the disk fails or another process is writing it.
  /// `filesystem` must outlive it.
  PageFile(Filesystem& filesystem, const std::filesystem::path& path, bool overwrite);
  /// Removes the new file unless it was put in place.
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  void write(std::string_view text);
  /// Puts the file in place, synced; returns its size in bytes.
  std::uint64_t commit();

 private:
  void flush();

  Filesystem& filesystem_;
  std::filesystem::path path_;
  std::filesystem::path folder_;
  std::filesystem::path partial_;
  bool overwrite_;
  std::optional<OutputLock> lock_;
  std::unique_ptr<WritableFile> file_;  ///< until it is in place
  std::string pending_;
  std::uint64_t size_ = 0;  ///< of what was written
};

}  // namespace expo
