#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/output/destination.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"

namespace expo {

/// A folder that appears whole or not at all. It is written as a partial folder beside its
/// destination, which commit() renames into place. Until then the destination stays as it was
/// (absent, empty or an older checkpoint), whatever fails and wherever the process dies.
///
/// Files at the top of the partial folder whose names begin with ".expo-" belong to the run, not to
/// the checkpoint: commit() removes them, and a later run with `resume` continues only a partial
/// folder that holds one. An advisory lock beside the destination keeps a second writer out; it is
/// released when the process that holds it ends, so a lock file left by a dead process does no
/// harm.
///
/// Not thread-safe; different objects may be used by different threads and processes at once.
class AtomicDirectory {
 public:
  /// Checks the destination (check_destination documents what is refused), creates its parents,
  /// takes the lock, cleans up after an earlier run, and creates the partial folder. Throws
  /// Error(usage) as check_destination does; throws Error(environment) if another process is
  /// writing the same destination, if nothing can be renamed to it (a mount point), or if the disk
  /// fails. The filesystem must outlive it.
  AtomicDirectory(Filesystem& filesystem, const std::filesystem::path& destination,
                  const AtomicDirectoryOptions& options);
  /// Calls abandon().
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// The final place: absolute, without links.
  const std::filesystem::path& destination() const { return places_.folder; }
  /// The folder to write to until then. The writer syncs its files; commit() syncs the folders.
  const std::filesystem::path& partial() const { return places_.partial; }
  /// Whether partial() holds the work of an interrupted run rather than nothing. Only files that
  /// the run's own ".expo-" files vouch for are complete.
  bool resumed() const { return resumed_; }
  /// Empties a partial folder that was resumed but does not fit after all.
  void start_over();

  /// Whether the partial folder outlives a failure, for a later `resume`. By default only one that
  /// was itself resumed does.
  void keep_on_failure(bool keep) { keep_ = keep; }

  /// Puts the finished folder in place and releases the lock. Call it once. With `overwrite` it is
  /// exchanged with the old folder in one step. On a filesystem that cannot exchange, the
  /// destination is absent for a moment between two renames; if the process dies just then, the
  /// next run at that destination restores the old folder. A failure before the folder is in place
  /// leaves the destination as it was (Error(usage) if something else has appeared there); the
  /// message of a later failure says that the folder is in place.
  void commit();

  /// Removes the partial folder, unless it is to be kept or is already in place, and releases the
  /// lock. What cannot be removed is left to the next run at that destination.
  void abandon() noexcept;

 private:
  /// How far the object has come.
  enum class State { writing, placed, abandoned };

  void make_parents();
  void recover_replaced();
  void probe_rename();
  void take_over_or_clear(bool resume);
  using Texts = std::vector<std::pair<std::string, std::string>>;  ///< names and contents
  Texts drop_working_files();
  void write_back(const Texts& texts) noexcept;
  void place();
  void replace();
  void remove_replaced();

  Filesystem& filesystem_;
  AtomicDirectoryOptions options_;
  Destination places_;
  std::unique_ptr<OutputLock> lock_;
  State state_ = State::writing;
  bool resumed_ = false;
  bool keep_ = false;
};

}  // namespace expo
