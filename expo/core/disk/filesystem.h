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

/// How a file's bytes are read or written. `direct` is advice: the file is large, passed over once,
/// and should not displace other things from the page cache. A filesystem that cannot bypass the
/// cache falls back to buffered access.
enum class Caching { buffered, direct };

/// Page-aligned scratch memory that grows on demand and keeps its size, so that a loop allocates
/// only once.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer();
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  /// At least `size` bytes, aligned to 4096. The contents are lost when the buffer has to grow.
  std::span<std::byte> get(std::size_t size);

 private:
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// A file open for reading. Thread-safe: every read names its own offset.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  /// The bytes [offset, offset + length) as a view into `scratch`, valid until scratch is used
  /// again. Throws Error(input) if the file ends before them (it was cut short), Error(environment)
  /// if the disk fails.
  virtual std::span<const std::byte> read(std::uint64_t offset, std::size_t length,
                                          AlignedBuffer& scratch) const = 0;
  /// The same bytes without a copy: the file is mapped into memory for as long as this object
  /// lives. std::nullopt if files cannot be mapped. Throws as read() does. If another program
  /// truncates the file while a view is being read, the process is killed, so ask for each piece
  /// just before it is used.
  virtual std::optional<std::span<const std::byte>> view(std::uint64_t offset,
                                                         std::size_t length) const;
  virtual std::uint64_t size() const = 0;  ///< size when it was opened
  virtual const std::filesystem::path& path() const = 0;
};

/// A file being written. write_at is thread-safe for ranges that do not overlap. The destructor
/// closes the file without reporting failures; a writer that must know calls sync() and close(),
/// and treats any failure as final.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Reserves `size` bytes on the disk, so that a full disk shows now rather than after hours of
  /// work. On an in-memory filesystem (tmpfs) it only checks that they are free now: reserving
  /// would fill the pages twice.
  virtual void allocate(std::uint64_t size) = 0;
  virtual void sync() = 0;
  virtual void close() = 0;
};

/// An advisory lock, held until this object is destroyed or the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// What a path leads to, with links followed.
struct FileStatus {
  bool is_directory = false;
  bool is_regular = false;  ///< neither a folder nor a pipe, socket or device
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;  ///< nanoseconds since the epoch
};

/// The interface for all access to disks, so that tests can replace the disk by memory and make the
/// k-th call of any kind fail. Every method throws Error(environment) naming the path and the
/// system's reason, unless stated otherwise. Thread-safe.
class Filesystem {
 public:
  using Path = std::filesystem::path;
  virtual ~Filesystem() = default;

  /// Throws Error(input) if the file is missing or unreadable.
  virtual std::unique_ptr<ReadableFile> open(const Path& path, Caching caching) = 0;
  /// Creates the file, or truncates an existing one.
  virtual std::unique_ptr<WritableFile> create(const Path& path, Caching caching) = 0;

  /// Follows links; std::nullopt if there is no such file.
  virtual std::optional<FileStatus> status(const Path& path) = 0;
  /// The names of a folder's entries, sorted.
  virtual std::vector<std::string> list(const Path& folder) = 0;
  /// The absolute path without links. If the path does not exist, the part of it that does is
  /// resolved and the rest is appended.
  virtual Path canonical(const Path& path) = 0;

  virtual void create_directory(const Path& path) = 0;  ///< with its parents; may exist
  virtual void remove(const Path& path) = 0;            ///< a file or whole folder; may be missing
  /// Renames a folder or file; refuses to replace anything but an empty folder (Error(usage)).
  virtual void rename_no_replace(const Path& from, const Path& to) = 0;
  /// Swaps two existing paths atomically; throws Error(environment) if the filesystem cannot.
  virtual void rename_exchange(const Path& a, const Path& b) = 0;
  /// Renames a file over another one atomically.
  virtual void rename_replace(const Path& from, const Path& to) = 0;
  /// Gives a file a second name (a hard link): both lead to the same bytes, also when these are
  /// overwritten, until each is removed. Links to the file are followed. Returns false, and does
  /// nothing, where this cannot be: on another disk, on a filesystem without hard links, for a
  /// folder, or for a file that has as many as it may.
  virtual bool add_name(const Path& file, const Path& name) = 0;
  virtual void sync_directory(const Path& path) = 0;

  /// Takes the lock, creating the lock file; nullptr if another holder has it.
  virtual std::unique_ptr<FileLock> try_lock(const Path& path) = 0;
  /// Bytes that an unprivileged user may still write where `path` is, or will be.
  virtual std::uint64_t free_bytes(const Path& path) = 0;

  // Built on the above without further virtual calls:

  /// Reads a whole small file. Throws Error(input) if it is larger than `max_size`.
  std::string read_text(const Path& path, std::uint64_t max_size = std::uint64_t{256} << 20);
  /// Creates the file, writes it, syncs it and closes it.
  void write_text(const Path& path, std::string_view text);
  /// Puts a text in the place of a file, which is the old one or the new one whatever happens;
  /// `partial`, in the same folder, is the new one's name until then.
  void replace_text(const Path& path, const Path& partial, std::string_view text);
  bool exists(const Path& path) { return status(path).has_value(); }
  bool is_directory(const Path& path);
};

/// The machine's own filesystem: one object for the whole process, never destroyed.
Filesystem& posix_filesystem();

}  // namespace expo
