#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace expo {

/// How a file's bytes travel. `direct` is advice: it means that the file is large, passed over
/// once, and should not displace other things from the page cache; a filesystem that cannot do it
/// falls back to buffered.
enum class Caching { buffered, direct };

/// Page-aligned scratch memory that grows on demand and keeps its size, so that a loop allocates
/// once.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer();
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  /// At least `size` bytes at a multiple of 4096. The contents are lost when it has to grow.
  std::span<std::byte> get(std::size_t size);

 private:
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// A file open for reading. Thread-safe: reads name their own offset.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  /// The bytes [offset, offset + length) as a view into `scratch`, valid until scratch is used
  /// again. Throws Error(input) when the file ends before (it was cut short), Error(environment)
  /// when the disk fails.
  virtual std::span<const std::byte> read(std::uint64_t offset, std::size_t length,
                                          AlignedBuffer& scratch) const = 0;
  /// The same bytes without a copy: the file mapped into memory, as long as this object lives.
  /// Nothing where files cannot be mapped. Throws as read() does; whoever cuts the file short while
  /// a view is read kills the process, so ask for each piece just before it is used.
  virtual std::optional<std::span<const std::byte>> view(std::uint64_t offset,
                                                         std::size_t length) const;
  virtual std::uint64_t size() const = 0;  ///< when it was opened
  virtual const std::filesystem::path& path() const = 0;
};

/// A file being written. write_at is thread-safe for ranges that do not overlap. The destructor
/// closes without reporting; a writer that cares calls sync() and close(), and takes any failure as
/// final.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Reserves `size` bytes on the disk, so that a full disk shows now rather than after hours of
  /// work. In memory (tmpfs) it is enough that they are free now: reserving would fill them twice.
  virtual void allocate(std::uint64_t size) = 0;
  virtual void sync() = 0;
  virtual void close() = 0;
};

/// An advisory lock, held until destroyed (or the process dies).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// What a path leads to, links followed.
struct FileStatus {
  bool is_directory = false;
  bool is_regular = false;  ///< neither a folder nor a pipe, socket or device
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;  ///< since the epoch
};

/// All access to disks goes through this interface, so that tests can put a memory in its place and
/// make the k-th call of any kind fail. Every method throws Error(environment) naming the path and
/// the system's reason, except where it says otherwise. Thread-safe.
class Filesystem {
 public:
  using Path = std::filesystem::path;
  virtual ~Filesystem() = default;

  /// A missing or unreadable file is Error(input).
  virtual std::unique_ptr<ReadableFile> open(const Path& path, Caching caching) = 0;
  /// Creates, or truncates.
  virtual std::unique_ptr<WritableFile> create(const Path& path, Caching caching) = 0;

  /// Follows links; nothing when there is no such file.
  virtual std::optional<FileStatus> status(const Path& path) = 0;
  /// The names in a folder, sorted.
  virtual std::vector<std::string> list(const Path& folder) = 0;
  /// The absolute path without links; of a path that does not exist, that of the part which does,
  /// and the rest.
  virtual Path canonical(const Path& path) = 0;

  virtual void create_directory(const Path& path) = 0;  ///< parents too; an existing one is fine
  virtual void remove(const Path& path) = 0;  ///< a file or a whole folder; a missing one is fine
  /// Renames a folder or file; refuses to replace anything but an empty folder (Error(usage)).
  virtual void rename_no_replace(const Path& from, const Path& to) = 0;
  /// Swaps two existing paths atomically, where the filesystem can; Error(environment) where it
  /// cannot.
  virtual void rename_exchange(const Path& a, const Path& b) = 0;
  /// Renames a file over another one atomically.
  virtual void rename_replace(const Path& from, const Path& to) = 0;
  virtual void sync_directory(const Path& path) = 0;

  /// Nothing when somebody else holds the lock. Creates the lock file.
  virtual std::unique_ptr<FileLock> try_lock(const Path& path) = 0;
  /// Bytes that an ordinary user may still write where `path` is, or will be.
  virtual std::uint64_t free_bytes(const Path& path) = 0;

  // What the above gives without further virtual calls:

  /// A whole small file. Error(input) when it is larger than `max_size`.
  std::string read_text(const Path& path, std::uint64_t max_size = std::uint64_t{256} << 20);
  /// Creates, writes, syncs and closes.
  void write_text(const Path& path, std::string_view text);
  bool exists(const Path& path) { return status(path).has_value(); }
  bool is_directory(const Path& path);
};

/// The machine's own filesystem. One object for the process, never destroyed.
Filesystem& posix_filesystem();

}  // namespace expo
