#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The kinds of calls that FaultInjectingFilesystem counts: the methods of Filesystem,
/// ReadableFile::read, and the methods of WritableFile.
enum class FileCall {
  open,
  read,
  create,
  write,
  allocate,
  sync,
  close,
  status,
  list,
  canonical,
  create_directory,
  remove,
  rename_no_replace,
  rename_exchange,
  rename_replace,
  add_name,
  sync_directory,
  lock,
  free_bytes,
};
inline constexpr std::size_t kFileCalls = static_cast<std::size_t>(FileCall::free_bytes) + 1;

/// The name of the call's method, such as "rename_no_replace".
std::string_view name_of(FileCall call) noexcept;

/// What goes wrong, and when.
struct Fault {
  FileCall call = FileCall::open;
  std::size_t occurrence = 1;  ///< which call of that kind since the fault was injected, from 1
  int error = EIO;             ///< the reason that the Error(environment) gives
  /// Whether the call does half of its work first: a write writes half of its bytes, and remove()
  /// of a folder removes half of its entries. Other calls cannot be halved and do nothing.
  bool halfway = false;
  bool lasting = false;  ///< every later call of that kind fails as well, as on a full disk
  /// Whether the process dies here: this call and every later one throws ProcessDied and does
  /// nothing (locks are released and files closed, as a kernel does for a dead process).
  bool death = false;
};

/// Thrown for a death. It is not a std::exception, so that no code handles it as an error.
struct ProcessDied {};

/// Passes every call on to another filesystem, except those that are to fail. Thread-safe. The
/// files and locks that it returned may outlive it, but not the filesystem under it.
class FaultInjectingFilesystem final : public Filesystem {
 public:
  explicit FaultInjectingFilesystem(Filesystem& base);
  ~FaultInjectingFilesystem() override;
  FaultInjectingFilesystem(const FaultInjectingFilesystem&) = delete;
  FaultInjectingFilesystem& operator=(const FaultInjectingFilesystem&) = delete;

  /// Replaces the fault, if any, and starts to count from zero.
  void inject(const Fault& fault);
  /// Removes the fault, brings a dead process back to life, and starts to count from zero.
  void clear();
  /// Calls since the last inject() or clear(), including those that failed.
  std::size_t count(FileCall call) const;
  /// Whether the fault has occurred.
  bool struck() const;

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

  class Control;  ///< defined in the implementation

 private:
  Filesystem& base_;
  std::shared_ptr<Control> control_;
};

}  // namespace expo
