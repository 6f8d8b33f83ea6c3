#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// What an interrupted run has finished: the output files that are whole and on the disk, with the
/// sums of their tensors. It lies in the partial folder and is taken over only by a run of the same
/// fingerprint (inputs with their sizes and times, options, layout). Thread-safe.
class RunJournal {
 public:
  RunJournal(Filesystem& filesystem, std::filesystem::path folder, const Json& fingerprint);

  /// Reads what an earlier run left. False where there is nothing, or something of another
  /// fingerprint.
  bool load();

  /// The sums of a finished file's tensors (index into the plan), or null where it is not finished.
  const std::map<std::size_t, DeltaSums>* finished(const std::string& file) const;

  /// Call after the file is synced.
  void record(const std::string& file, std::map<std::size_t, DeltaSums> sums);

  /// Whether no file is finished.
  bool empty() const { return files_.empty(); }

 private:
  std::filesystem::path path() const;

  Filesystem& filesystem_;
  std::filesystem::path folder_;
  Json fingerprint_;
  std::map<std::string, std::map<std::size_t, DeltaSums>> files_;
  std::mutex mutex_;
};

}  // namespace expo
