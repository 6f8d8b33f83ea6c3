#pragma once

#include <filesystem>
#include <memory>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// Writes metrics.jsonl: one object per line, each with its "step". Not thread-safe.
class MetricsLog {
 public:
  /// Starts the file, with the lines of an earlier run up to `last_step` if there are any.
  MetricsLog(Filesystem& filesystem, const std::filesystem::path& path, std::int64_t last_step);

  void add(const Json& metrics);
  /// Flushes what was added to disk; called before a checkpoint counts as written.
  void sync();

 private:
  std::unique_ptr<WritableFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace expo
