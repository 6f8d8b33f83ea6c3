#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// A filesystem in memory, for tests. Its folders, files, symbolic links and locks behave like
/// those of posix_filesystem(), errors included (tests/core/memory_filesystem_test.cpp holds both
/// to that). It starts with an empty root, from which relative paths start too. Its times come from
/// a counter that advances with every change. Thread-safe; open files and locks may outlive it.
class MemoryFilesystem final : public Filesystem {
 public:
  /// Files may hold `capacity` bytes in all; bytes that do not fit are cut off and reported as
  /// ENOSPC. Bytes count from their allocation or write until the file is removed and closed, holes
  /// included.
  explicit MemoryFilesystem(std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max());
  ~MemoryFilesystem() override;
  MemoryFilesystem(const MemoryFilesystem&) = delete;
  MemoryFilesystem& operator=(const MemoryFilesystem&) = delete;

  std::unique_ptr<ReadableFile> open(const Path& path, Caching caching) override;
  std::unique_ptr<WritableFile> create(const Path& path, Caching caching) override;
  std::optional<FileStatus> status(const Path& path) override;
  std::vector<std::string> list(const Path& folder) override;
  Path canonical(const Path& path) override;
  void create_directory(const Path& path) override;
  void remove(const Path& path) override;
  void rename_no_replace(const Path& from, const Path& to) override;
  void rename_exchange(const Path& a, const Path& b) override;
  void rename_replace(const Path& from, const Path& to) override;
  bool add_name(const Path& file, const Path& name) override;
  void sync_directory(const Path& path) override;
  std::unique_ptr<FileLock> try_lock(const Path& path) override;
  std::uint64_t free_bytes(const Path& path) override;

  // Additions to the interface:

  /// Creates a symbolic link at `link`, whose parent must exist; `target` need not exist.
  void create_link(const Path& target, const Path& link);
  /// Whether add_name() can be; it can from the start.
  void set_hard_links(bool has);
  /// Sets the capacity, which may be below what is in use; then nothing more can be written.
  void set_capacity(std::uint64_t capacity);

  /// Reduces the filesystem to what a sudden loss of power leaves in the worst case: of every file
  /// the bytes of its last sync() (none without one), of every folder the entries of its last
  /// sync_directory(), where links count as entries. The name of a removed folder comes back if its
  /// parent was not synced since, but its contents do not.
  void lose_power();
  /// Treats everything that exists as synced.
  void make_durable();

  struct State;  ///< defined in the implementation

 private:
  std::shared_ptr<State> state_;
};

}  // namespace expo
