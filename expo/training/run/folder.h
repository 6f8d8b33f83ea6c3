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

/// The output_dir of a training run: what may be done to what lies there already, and where its
/// parts go. Used by the first rank alone, but for what says otherwise. Not thread-safe.
class RunFolder {
 public:
  /// Takes the folder's lock and looks at what it holds; changes nothing. `inputs` are the files
  /// and folders that are read. Throws Error(usage) where an input lies in it or it in an input;
  /// where it holds something that no run of this kind has written; where it holds a run, and
  /// neither `resume` nor `overwrite_output_dir` says what is to become of it; and for `resume` of
  /// a run that is finished and has no checkpoint. Error(environment) where another run is writing
  /// it. The filesystem must outlive it.
  RunFolder(Filesystem& filesystem, const TrainingConfig& config,
            std::vector<std::filesystem::path> inputs);

  /// Once everything else has been found in order: makes the folder, removes the run that
  /// `overwrite_output_dir` gives up, and what killed runs have left half done.
  void begin();

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path file(std::string_view name) const { return folder_ / name; }
  static std::filesystem::path checkpoint(const std::filesystem::path& folder, std::int64_t step);
  /// Where the state of that step is kept that gave no number: nobody goes on from it by himself.
  static std::filesystem::path failed(const std::filesystem::path& folder, std::int64_t step);
  /// The newest checkpoint to go on from.
  std::optional<std::int64_t> newest_checkpoint() const;
  std::uint64_t checkpoints() const;  ///< how many there are
  /// A checkpoint or the result, being written; it may take the place of an older one.
  std::unique_ptr<AtomicDirectory> open(const std::filesystem::path& folder) const;
  /// The folder's record, whole or as it was.
  void write_record(const Json& record) const;
  /// Removes all but the newest checkpoints, each in one step as the outside sees it.
  void keep_newest(std::int64_t checkpoints) const;
  /// Throws Error(environment) where there is not that much room.
  void check_room(std::uint64_t bytes) const;

 private:
  void check_inputs() const;
  void check_contents() const;
  bool holds_run() const;
  void drop(const std::filesystem::path& folder) const;
  void sweep() const;

  Filesystem& filesystem_;
  const TrainingConfig& config_;
  std::filesystem::path folder_;  ///< absolute, without links
  std::vector<std::filesystem::path> inputs_;
  std::unique_ptr<OutputLock> lock_;
};

/// The checkpoints of a run, "checkpoint-<step>", ascending by step.
std::vector<std::pair<std::int64_t, std::filesystem::path>> list_run_checkpoints(
    Filesystem& filesystem, const std::filesystem::path& output);

}  // namespace expo
