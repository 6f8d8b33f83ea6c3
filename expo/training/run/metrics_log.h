#pragma once

#include <filesystem>
#include <memory>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// metrics.jsonl: an object a line, each with its "step". Not thread-safe.
class MetricsLog {
 public:
  /// Begins the file anew, or with the lines of an earlier run up to `last_step`.
  MetricsLog(Filesystem& filesystem, const std::filesystem::path& path, std::int64_t last_step);

  void add(const Json& metrics);
  /// On the disk what was added; before a checkpoint counts as written.
  void sync();

 private:
  std::unique_ptr<WritableFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace expo
