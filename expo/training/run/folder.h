#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"
#include "expo/core/json.h"
#include "expo/training/config/training_config.h"

namespace expo {

/// The output_dir of a training run: what may be done to what is there already, and where its parts
/// go. Used by the first rank only, except where stated. Not thread-safe.
class RunFolder {
 public:
  /// Takes the folder's lock and looks at what it holds; changes nothing. `inputs` are the files
  /// and folders that are read. Throws Error(usage) if an input lies in the folder or the folder in
  /// an input; if it holds something that no training run has written; if it holds a run and
  /// neither `resume` nor `overwrite_output_dir` is set; and for `resume` of a run that is finished
  /// and has no checkpoint. Throws Error(environment) if another run is writing to it. The
  /// filesystem must outlive it.
  RunFolder(Filesystem& filesystem, const TrainingConfig& config,
            std::vector<std::filesystem::path> inputs);

  /// Makes the folder, and removes the run that `overwrite_output_dir` replaces and what killed
  /// runs have left unfinished. Call it once everything else has been checked.
  void begin();

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path file(std::string_view name) const { return folder_ / name; }
  static std::filesystem::path checkpoint(const std::filesystem::path& folder, std::int64_t step);
  /// The place for the state of a step that gave NaN or infinity; a run is never resumed from it
  /// automatically.
  static std::filesystem::path failed(const std::filesystem::path& folder, std::int64_t step);
  /// The step of the newest checkpoint, to resume from.
  std::optional<std::int64_t> newest_checkpoint() const;
  std::uint64_t checkpoints() const;  ///< the number of checkpoints
  /// A checkpoint or the result while it is written; it may replace an older one.
  std::unique_ptr<AtomicDirectory> open(const std::filesystem::path& folder) const;
  /// Writes the folder's record; after a failure it is as it was before.
  void write_record(const Json& record) const;
  /// Removes all but the newest checkpoints; seen from outside, each vanishes in one step.
  void keep_newest(std::int64_t checkpoints) const;
  /// Throws Error(environment) if the disk has less room.
  void check_room(std::uint64_t bytes) const;

 private:
  void check_inputs() const;
  void check_contents() const;
  bool holds_run() const;
  void drop(const std::filesystem::path& folder) const;
  void sweep() const;

  Filesystem& filesystem_;
  const TrainingConfig& config_;
  std::filesystem::path folder_;  ///< absolute, with links resolved
  std::vector<std::filesystem::path> inputs_;
  std::unique_ptr<OutputLock> lock_;
};

/// Lists the checkpoints of a run, "checkpoint-<step>", ascending by step.
std::vector<std::pair<std::int64_t, std::filesystem::path>> list_run_checkpoints(
    Filesystem& filesystem, const std::filesystem::path& output);

}  // namespace expo
