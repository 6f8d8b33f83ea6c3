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

/// Records what an interrupted run has finished: the output files that are complete and on disk,
/// with the sums of their tensors. It is kept in the partial folder and is used only by a run with
/// the same fingerprint (inputs with their sizes and times, options, layout). Thread-safe.
class RunJournal {
 public:
  RunJournal(Filesystem& filesystem, std::filesystem::path folder, const Json& fingerprint);

  /// Reads what an earlier run left. Returns false if there is nothing, or if the fingerprint
  /// differs.
  bool load();

  /// The sums of a finished file's tensors (by index into the plan), or null if it is not finished.
  const std::map<std::size_t, DeltaSums>* finished(const std::string& file) const;

  /// Records a file as finished; call it after the file is synced.
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
