#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/posix_file.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

[[noreturn]] void fail(const Path& path, const char* action, int error) {
  throw environment_error(describe_failure(path, action, error));
}

/// Holds an flock(2) through its descriptor: the kernel releases it when the process dies.
class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int descriptor) : descriptor_(descriptor) {}
  ~PosixLock() override { ::close(descriptor_); }
  PosixLock(const PosixLock&) = delete;
  PosixLock& operator=(const PosixLock&) = delete;

 private:
  int descriptor_;
};

class PosixFilesystem final : public Filesystem {
 public:
  std::unique_ptr<ReadableFile> open(const Path& path, Caching caching) override {
    return open_posix_file(path, caching);
  }

  std::unique_ptr<WritableFile> create(const Path& path, Caching caching) override {
    return create_posix_file(path, caching);
  }

  std::optional<FileStatus> status(const Path& path) override {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return std::nullopt;
      fail(path, "examine", errno);
    }
    return FileStatus{S_ISDIR(found.st_mode), S_ISREG(found.st_mode),
                      static_cast<std::uint64_t>(found.st_size),
                      found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
  }

  std::vector<std::string> list(const Path& folder) override {
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) fail(folder, "list", error.value());
    std::ranges::sort(names);
    return names;
  }

  Path canonical(const Path& path) override {
    std::error_code error;
    Path result = std::filesystem::absolute(path, error);
    if (!error) result = std::filesystem::weakly_canonical(result, error);
    if (error) fail(path, "resolve", error.value());
    if (!result.has_filename()) result = result.parent_path();
    return result;
  }

  void create_directory(const Path& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) fail(path, "create the folder", error.value());
  }

  void remove(const Path& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) fail(path, "remove", error.value());
  }

  void rename_no_replace(const Path& from, const Path& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    const bool unsupported = errno == EINVAL || errno == ENOSYS;
    if (errno != EEXIST && !unsupported) fail(to, "rename the finished output to it", errno);
    // rename(2) itself replaces an empty folder and refuses a full one; nothing else may exist
    // there, not even a dangling link.
    struct stat target {};
    if (::lstat(to.c_str(), &target) == 0 && !S_ISDIR(target.st_mode)) refuse_existing(to);
    if (::rename(from.c_str(), to.c_str()) == 0) return;
    if (errno == ENOTEMPTY || errno == EEXIST) refuse_existing(to);
    fail(to, "rename the finished output to it", errno);
  }

  void rename_exchange(const Path& a, const Path& b) override {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0) {
      fail(b, "exchange it with the finished output", errno);
    }
  }

  void rename_replace(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail(to, "replace", errno);
  }

  bool add_name(const Path& file, const Path& name) override {
    if (::linkat(AT_FDCWD, file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return true;
    // EPERM: there are no hard links, or it is a folder.
    if (errno == EPERM || errno == EXDEV || errno == EMLINK || errno == ENOSYS ||
        errno == EOPNOTSUPP)
      return false;
    fail(name, "give a file this name", errno);
  }

  void sync_directory(const Path& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail(path, "open the folder", errno);
    const int result = ::fsync(descriptor);
    const int error = errno;
    ::close(descriptor);
    // Some network filesystems cannot sync a folder and return EINVAL; nothing more can be done on
    // them.
    if (result != 0 && error != EINVAL) fail(path, "flush the folder to disk", error);
  }

  std::unique_ptr<FileLock> try_lock(const Path& path) override {
    for (;;) {
      const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (descriptor < 0) fail(path, "create the lock file", errno);
      auto lock = std::make_unique<PosixLock>(descriptor);
      int result = 0;
      do {
        result = ::flock(descriptor, LOCK_EX | LOCK_NB);
      } while (result != 0 && errno == EINTR);
      if (result != 0 && errno == EWOULDBLOCK) return nullptr;
      if (result != 0) fail(path, "lock", errno);
      // The last holder may have removed the file after it was opened here; a lock on a file that
      // nobody else can open locks nothing.
      if (is_file_of(descriptor, path)) return lock;
    }
  }

  std::uint64_t free_bytes(const Path& path) override {
    Path existing = path;
    while (!status(existing) && existing.has_relative_path()) existing = existing.parent_path();
    if (existing.empty()) existing = ".";
    struct statvfs found {};
    if (::statvfs(existing.c_str(), &found) != 0) fail(path, "ask for the free space of", errno);
    return std::uint64_t{found.f_bavail} * found.f_frsize;
  }

 private:
  static bool is_file_of(int descriptor, const Path& path) {
    struct stat opened {};
    struct stat named {};
    if (::fstat(descriptor, &opened) != 0) fail(path, "examine", errno);
    if (::stat(path.c_str(), &named) != 0) return false;
    return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

  [[noreturn]] static void refuse_existing(const Path& path) {
    throw usage_error(path.string() + ": already exists");
  }
};

}  // namespace

Filesystem& posix_filesystem() {
  static auto* const filesystem =
      new PosixFilesystem;  // never destroyed: threads may outlive main's statics
  return *filesystem;
}

}  // namespace expo
