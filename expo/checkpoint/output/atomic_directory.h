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
/// destination, which commit() renames into place; until then the destination is as it was, absent,
/// empty or an older checkpoint, whatever fails and wherever the process dies.
///
/// Files at the top of the partial folder whose names begin with ".expo-" belong to the run, not to
/// the checkpoint: commit() removes them, and only a partial folder that holds one is taken over by
/// a later run with `resume`. An advisory lock beside the destination keeps a second writer out; it
/// goes with the process that holds it, so that a lock file left by a dead one does not matter.
///
/// Not thread-safe; different objects may be used by different threads and processes at once.
class AtomicDirectory {
 public:
  /// Checks the destination (check_destination has what is refused), makes its parents, takes the
  /// lock, puts right what an earlier run left, and makes the partial folder. Throws Error(usage)
  /// as check_destination, Error(environment) where somebody else is writing the same destination,
  /// where it cannot be renamed to (a mount point), or where the disk fails. The filesystem must
  /// outlive it.
  AtomicDirectory(Filesystem& filesystem, const std::filesystem::path& destination,
                  const AtomicDirectoryOptions& options);
  /// As abandon().
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Where it will be: absolute, without links.
  const std::filesystem::path& destination() const { return places_.folder; }
  /// Where to write until then. The writer syncs its files; folders are synced by commit().
  const std::filesystem::path& partial() const { return places_.partial; }
  /// Whether partial() holds what an interrupted run left, rather than nothing. Only what the run's
  /// own ".expo-" files vouch for is whole there.
  bool resumed() const { return resumed_; }
  /// Empties a partial folder that was taken over, where it does not fit after all.
  void start_over();

  /// Whether the partial folder outlives a failure, for a later `resume`. At first only one that
  /// was itself taken over does.
  void keep_on_failure(bool keep) { keep_ = keep; }

  /// Puts the finished folder in place and gives up the lock. Call once. With `overwrite` it is
  /// exchanged with the old one in one step; a filesystem that cannot do that has a moment between
  /// two renames in which the destination is absent, and the next run at that destination brings
  /// the old one back should the process die just then. A failure before the folder is in place
  /// leaves the destination as it was (Error(usage) if somebody else has put something there); one
  /// after it says so.
  void commit();

  /// Removes the partial folder, unless it is to be kept or is in place already, and gives up the
  /// lock. What cannot be removed is left to the next run at that destination.
  void abandon() noexcept;

 private:
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
