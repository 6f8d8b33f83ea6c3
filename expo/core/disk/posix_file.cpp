#include "expo/core/disk/posix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "expo/core/disk/page_cache.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

// The alignment that O_DIRECT requires of offsets, lengths and addresses on the filesystems known
// to us (statx reports less on older kernels). A filesystem that requires more answers EINVAL, and
// buffered access takes over.
constexpr std::uint64_t kAlignment = 4096;

std::uint64_t align_down(std::uint64_t value) {
  return value / kAlignment * kAlignment;
}
std::uint64_t align_up(std::uint64_t value) {
  return align_down(value + kAlignment - 1);
}

[[noreturn]] void fail(const Path& path, const char* action, int error) {
  throw environment_error(describe_failure(path, action, error));
}

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      value_ = std::exchange(other.value_, -1);
    }
    return *this;
  }
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }
  /// Returns 0 or the errno of close(); the descriptor is gone either way.
  int reset() {
    const int value = std::exchange(value_, -1);
    return value >= 0 && ::close(value) != 0 ? errno : 0;
  }

 private:
  int value_;
};

Descriptor open_descriptor(const Path& path, int flags) {
  for (;;) {
    const int value = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (value >= 0 || errno != EINTR) return Descriptor(value);
  }
}

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Path path, Caching caching) : path_(std::move(path)) {
    // Opening a pipe would wait for its writer; the flag has no effect on regular files.
    buffered_ = open_descriptor(path_, O_RDONLY | O_NONBLOCK);
    if (!buffered_.valid()) {
      const int error = errno;
      const std::string message = describe_failure(path_, "open", error);
      throw error == EMFILE || error == ENFILE || error == EIO ? environment_error(message)
                                                               : input_error(message);
    }
    struct stat status {};
    if (::fstat(buffered_.get(), &status) != 0) fail(path_, "examine", errno);
    if (!S_ISREG(status.st_mode)) throw input_error(path_.string() + ": not a regular file");
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (caching == Caching::direct)
      direct_ = open_descriptor(path_, O_RDONLY | O_NONBLOCK | O_DIRECT);
  }

  std::span<const std::byte> read(std::uint64_t offset, std::size_t length,
                                  AlignedBuffer& scratch) const override {
    if (offset > size_ || length > size_ - offset) cut_short(offset + length);
    const std::uint64_t begin = align_down(offset);
    const auto lead = static_cast<std::size_t>(offset - begin);
    std::byte* buffer = scratch.get(static_cast<std::size_t>(align_up(lead + length))).data();
    std::size_t done = 0;
    if (direct_.valid() && !direct_refused_.load(std::memory_order_relaxed)) {
      if (may_be_cached(offset, length)) done = read_cached(offset, length, buffer + lead);
      if (done < length) done = read_direct(begin, lead, length, done, buffer);
    }
    if (done < length) read_buffered(offset, length, done, buffer + lead);
    return {buffer + lead, length};
  }

  std::optional<std::span<const std::byte>> view(std::uint64_t offset,
                                                 std::size_t length) const override {
    std::byte* mapping = mapped();
    if (mapping == nullptr) return std::nullopt;
    struct stat status {};
    if (::fstat(buffered_.get(), &status) != 0) fail(path_, "examine", errno);
    const auto now = static_cast<std::uint64_t>(status.st_size);
    if (offset > now || length > now - offset || offset > size_ || length > size_ - offset)
      cut_short(offset + length);
    fetch(mapping, offset, length);
    return std::span<const std::byte>(mapping + offset, length);
  }

  std::uint64_t size() const override { return size_; }
  const Path& path() const override { return path_; }

  ~PosixReadableFile() override {
    if (mapping_ != nullptr) ::munmap(mapping_, size_);
  }

 private:
  /// The whole file, or nullptr if it cannot be mapped.
  std::byte* mapped() const {
    std::call_once(mapping_tried_, [this] {
      void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, buffered_.get(), 0);
      if (memory != MAP_FAILED) mapping_ = static_cast<std::byte*>(memory);
    });
    return mapping_;
  }

  /// Brings a piece of the mapping into memory at once, so that a failure of the disk occurs here,
  /// where it can be reported. Older kernels cannot do it.
  void fetch(std::byte* mapping, std::uint64_t offset, std::size_t length) const {
#if defined(MADV_POPULATE_READ)
    const std::uint64_t begin = align_down(offset);
    const auto size = static_cast<std::size_t>(offset + length - begin);
    if (::madvise(mapping + begin, size, MADV_POPULATE_READ) == 0) return;
    if (errno == EFAULT || errno == EHWPOISON) fail(path_, "read", EIO);
#else
    (void)mapping, (void)offset, (void)length;
#endif
  }

  /// Whether to read through the cache: a checkpoint that was just written or read is copied from
  /// memory, a cold one bypasses the cache. This is asked beforehand because Linux reads ahead into
  /// the cache even when a read must not wait: a cold file would come from the disk twice, and fill
  /// memory that is never read again.
  bool may_be_cached(std::uint64_t offset, std::size_t length) const {
    CacheState state = page_cache_state(buffered_.get(), offset, length);
    if (state == CacheState::unknown && mapped() != nullptr)
      state = mapped_cache_state(mapped() + offset, length);
    return state != CacheState::not_whole;
  }

  std::size_t read_cached(std::uint64_t offset, std::size_t length, std::byte* out) const {
    std::size_t done = 0;
    while (done < length) {
      iovec piece{out + done, length - done};
      const ssize_t got =
          ::preadv2(buffered_.get(), &piece, 1, static_cast<off_t>(offset + done), RWF_NOWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  std::size_t read_direct(std::uint64_t begin, std::size_t lead, std::size_t length,
                          std::size_t done, std::byte* buffer) const {
    auto have = static_cast<std::size_t>(align_down(lead + done));
    const std::size_t want = lead + length;
    while (have < want) {
      const std::size_t ask = static_cast<std::size_t>(align_up(want)) - have;
      const ssize_t got =
          ::pread(direct_.get(), buffer + have, ask, static_cast<off_t>(begin + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EINVAL) {
        direct_refused_.store(true, std::memory_order_relaxed);
        break;
      }
      if (got < 0) fail(path_, "read", errno);
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
      // A count that is not aligned marks the end of the file. The bytes are good, but direct reads
      // cannot continue from there.
      if (have % kAlignment != 0) break;
    }
    return have <= lead ? 0 : std::min(have - lead, length);
  }

  void read_buffered(std::uint64_t offset, std::size_t length, std::size_t done,
                     std::byte* out) const {
    while (done < length) {
      const ssize_t got =
          ::pread(buffered_.get(), out + done, length - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(path_, "read", errno);
      if (got == 0) cut_short(offset + length);
      done += static_cast<std::size_t>(got);
    }
  }

  [[noreturn]] void cut_short(std::uint64_t wanted) const {
    struct stat status {};
    const bool known = ::fstat(buffered_.get(), &status) == 0;
    throw input_error(fmt::format(
        "{}: the file ends at byte {} but {} bytes are needed; it was cut short, perhaps by an "
        "incomplete download",
        path_.string(), known ? static_cast<std::uint64_t>(status.st_size) : size_, wanted));
  }

  Path path_;
  Descriptor buffered_;
  Descriptor direct_;
  mutable std::atomic<bool> direct_refused_{false};
  mutable std::once_flag mapping_tried_;
  mutable std::byte* mapping_ = nullptr;
  std::uint64_t size_ = 0;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Path path, Caching caching) : path_(std::move(path)) {
    buffered_ = open_descriptor(path_, O_WRONLY | O_CREAT | O_TRUNC);
    if (!buffered_.valid()) fail(path_, "create", errno);
    if (caching == Caching::direct) direct_ = open_descriptor(path_, O_WRONLY | O_DIRECT);
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    std::size_t done = 0;
    const bool aligned = offset % kAlignment == 0 &&
                         reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0;
    if (aligned && direct_.valid() && !direct_refused_.load(std::memory_order_relaxed)) {
      done = write_direct(offset, bytes.first(static_cast<std::size_t>(align_down(bytes.size()))));
    }
    if (done < bytes.size()) write_buffered(offset + done, bytes.subspan(done));
  }

  void allocate(std::uint64_t size) override {
    if (size == 0 || reserve(size)) return;
    // Sets at least the size, so that direct writes need not extend the file.
    if (::ftruncate(buffered_.get(), static_cast<off_t>(size)) != 0) fail(path_, "extend", errno);
  }

  void sync() override {
    if (::fsync(buffered_.get()) != 0) fail(path_, "flush to disk", errno);
  }

  void close() override {
    const int direct = direct_.reset();
    const int buffered = buffered_.reset();
    if (direct != 0 || buffered != 0) fail(path_, "close", direct != 0 ? direct : buffered);
  }

 private:
  /// Returns whether the filesystem has reserved the space.
  bool reserve(std::uint64_t size) {
    if (in_memory()) {
      check_room(size);
      return false;
    }
    while (::fallocate(buffered_.get(), 0, 0, static_cast<off_t>(size)) != 0) {
      if (errno == EOPNOTSUPP) return false;
      if (errno != EINTR) fail(path_, "reserve space", errno);
    }
    return true;
  }

  /// Whether a reservation would have to fill every page, as on tmpfs: one thread would do serially
  /// what all threads do while they write.
  bool in_memory() const {
    struct statfs found {};
    return ::fstatfs(buffered_.get(), &found) == 0 && found.f_type == TMPFS_MAGIC;
  }

  void check_room(std::uint64_t size) const {
    struct statvfs found {};
    if (::fstatvfs(buffered_.get(), &found) != 0 || found.f_blocks == 0) return;  // 0: no limit
    if (size > std::uint64_t{found.f_bavail} * found.f_frsize)
      fail(path_, "reserve space for", ENOSPC);
  }

  std::size_t write_direct(std::uint64_t offset, std::span<const std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::pwrite(direct_.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && errno == EINVAL) {
        direct_refused_.store(true, std::memory_order_relaxed);
        return done;
      }
      if (put <= 0) fail(path_, "write", put < 0 ? errno : EIO);
      done += static_cast<std::size_t>(put);
      if (done % kAlignment != 0) return done;
    }
    return done;
  }

  void write_buffered(std::uint64_t offset, std::span<const std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::pwrite(buffered_.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail(path_, "write", put < 0 ? errno : EIO);
      done += static_cast<std::size_t>(put);
    }
    // Starts large buffered output on its way to the disk at once, rather than all of it at the
    // final fsync.
    if (bytes.size() >= (std::size_t{1} << 20)) {
      ::sync_file_range(buffered_.get(), static_cast<off_t>(offset),
                        static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
    }
  }

  Path path_;
  Descriptor buffered_;
  Descriptor direct_;
  std::atomic<bool> direct_refused_{false};
};

const char* remedy(int error) {
  switch (error) {
    case ENOSPC:
      return "; the disk is full: free some space or write elsewhere";
    case EDQUOT:
      return "; the disk quota is used up";
    case EACCES:
    case EPERM:
      return "; check the permissions";
    case EROFS:
      return "; write elsewhere";
    case ENOENT:
      return "; check the spelling of the path";
    default:
      return "";
  }
}

}  // namespace

std::string describe_failure(const Path& path, const char* action, int error) {
  return fmt::format("{}: cannot {} ({}){}", path.string(), action, std::strerror(error),
                     remedy(error));
}

std::unique_ptr<ReadableFile> open_posix_file(const Path& path, Caching caching) {
  return std::make_unique<PosixReadableFile>(path, caching);
}

std::unique_ptr<WritableFile> create_posix_file(const Path& path, Caching caching) {
  return std::make_unique<PosixWritableFile>(path, caching);
}

}  // namespace expo
