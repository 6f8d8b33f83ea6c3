#include "expo/core/disk/fault_injecting_filesystem.h"

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "expo/core/disk/posix_file.h"
#include "expo/core/error.h"

namespace expo {

/// Counts the calls and decides which of them fail.
class FaultInjectingFilesystem::Control {
 public:
  using Half = std::function<void()>;

  void reset(const std::optional<Fault>& fault) {
    const std::lock_guard lock(mutex_);
    counts_ = {};
    fault_ = fault;
    struck_ = dead_ = false;
  }

  std::size_t count(FileCall call) const {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<std::size_t>(call)];
  }

  bool struck() const {
    const std::lock_guard lock(mutex_);
    return struck_;
  }

  /// Returns if the call may go on. `half` is what the call does before it fails halfway.
  void enter(FileCall call, const std::filesystem::path& path, const Half& half = {}) {
    const std::optional<Fault> fault = next(call);
    if (!fault) return;
    if (fault->halfway && half) half();
    if (fault->death) throw ProcessDied();
    const std::string action(name_of(call));
    throw environment_error(describe_failure(path, action.c_str(), fault->error));
  }

 private:
  std::optional<Fault> next(FileCall call) {
    const std::lock_guard lock(mutex_);
    if (dead_) throw ProcessDied();
    const std::size_t count = ++counts_[static_cast<std::size_t>(call)];
    if (!fault_ || fault_->call != call || count < fault_->occurrence) return std::nullopt;
    if (count > fault_->occurrence && !fault_->lasting) return std::nullopt;
    struck_ = true;
    dead_ = fault_->death;
    return fault_;
  }

  mutable std::mutex mutex_;
  std::array<std::size_t, kFileCalls> counts_{};
  std::optional<Fault> fault_;
  bool struck_ = false;
  bool dead_ = false;
};

namespace {

using Control = FaultInjectingFilesystem::Control;
using Path = std::filesystem::path;

class FaultyReadableFile final : public ReadableFile {
 public:
  FaultyReadableFile(std::shared_ptr<Control> control, std::unique_ptr<ReadableFile> base)
      : control_(std::move(control)), base_(std::move(base)) {}

  std::span<const std::byte> read(std::uint64_t offset, std::size_t length,
                                  AlignedBuffer& scratch) const override {
    control_->enter(FileCall::read, path());
    return base_->read(offset, length, scratch);
  }
  std::uint64_t size() const override { return base_->size(); }
  const Path& path() const override { return base_->path(); }

 private:
  std::shared_ptr<Control> control_;
  std::unique_ptr<ReadableFile> base_;
};

class FaultyWritableFile final : public WritableFile {
 public:
  FaultyWritableFile(std::shared_ptr<Control> control, std::unique_ptr<WritableFile> base,
                     Path path)
      : control_(std::move(control)), base_(std::move(base)), path_(std::move(path)) {}

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    control_->enter(FileCall::write, path_,
                    [&] { base_->write_at(offset, bytes.first(bytes.size() / 2)); });
    base_->write_at(offset, bytes);
  }
  void allocate(std::uint64_t size) override {
    control_->enter(FileCall::allocate, path_);
    base_->allocate(size);
  }
  void sync() override {
    control_->enter(FileCall::sync, path_);
    base_->sync();
  }
  void close() override {
    control_->enter(FileCall::close, path_);
    base_->close();
  }

 private:
  std::shared_ptr<Control> control_;
  std::unique_ptr<WritableFile> base_;
  Path path_;
};

void remove_half(Filesystem& filesystem, const Path& path) {
  if (!filesystem.is_directory(path)) return;
  const auto names = filesystem.list(path);
  for (std::size_t i = 0; i < names.size(); i += 2) filesystem.remove(path / names[i]);
}

}  // namespace

std::string_view name_of(FileCall call) noexcept {
  constexpr std::array<std::string_view, kFileCalls> kNames = {"open",
                                                               "read",
                                                               "create",
                                                               "write",
                                                               "allocate",
                                                               "sync",
                                                               "close",
                                                               "status",
                                                               "list",
                                                               "canonical",
                                                               "create_directory",
                                                               "remove",
                                                               "rename_no_replace",
                                                               "rename_exchange",
                                                               "rename_replace",
                                                               "add_name",
                                                               "sync_directory",
                                                               "lock",
                                                               "free_bytes"};
  return kNames[static_cast<std::size_t>(call)];
}

FaultInjectingFilesystem::FaultInjectingFilesystem(Filesystem& base)
    : base_(base), control_(std::make_shared<Control>()) {}

FaultInjectingFilesystem::~FaultInjectingFilesystem() = default;

void FaultInjectingFilesystem::inject(const Fault& fault) {
  control_->reset(fault);
}
void FaultInjectingFilesystem::clear() {
  control_->reset(std::nullopt);
}
std::size_t FaultInjectingFilesystem::count(FileCall call) const {
  return control_->count(call);
}
bool FaultInjectingFilesystem::struck() const {
  return control_->struck();
}

std::unique_ptr<ReadableFile> FaultInjectingFilesystem::open(const Path& path, Caching caching) {
  control_->enter(FileCall::open, path);
  return std::make_unique<FaultyReadableFile>(control_, base_.open(path, caching));
}

std::unique_ptr<WritableFile> FaultInjectingFilesystem::create(const Path& path, Caching caching) {
  control_->enter(FileCall::create, path);
  return std::make_unique<FaultyWritableFile>(control_, base_.create(path, caching), path);
}

std::optional<FileStatus> FaultInjectingFilesystem::status(const Path& path) {
  control_->enter(FileCall::status, path);
  return base_.status(path);
}

std::vector<std::string> FaultInjectingFilesystem::list(const Path& folder) {
  control_->enter(FileCall::list, folder);
  return base_.list(folder);
}

FaultInjectingFilesystem::Path FaultInjectingFilesystem::canonical(const Path& path) {
  control_->enter(FileCall::canonical, path);
  return base_.canonical(path);
}

void FaultInjectingFilesystem::create_directory(const Path& path) {
  control_->enter(FileCall::create_directory, path);
  base_.create_directory(path);
}

void FaultInjectingFilesystem::remove(const Path& path) {
  control_->enter(FileCall::remove, path, [&] { remove_half(base_, path); });
  base_.remove(path);
}

void FaultInjectingFilesystem::rename_no_replace(const Path& from, const Path& to) {
  control_->enter(FileCall::rename_no_replace, to);
  base_.rename_no_replace(from, to);
}

void FaultInjectingFilesystem::rename_exchange(const Path& a, const Path& b) {
  control_->enter(FileCall::rename_exchange, b);
  base_.rename_exchange(a, b);
}

void FaultInjectingFilesystem::rename_replace(const Path& from, const Path& to) {
  control_->enter(FileCall::rename_replace, to);
  base_.rename_replace(from, to);
}

bool FaultInjectingFilesystem::add_name(const Path& file, const Path& name) {
  control_->enter(FileCall::add_name, name);
  return base_.add_name(file, name);
}

void FaultInjectingFilesystem::sync_directory(const Path& path) {
  control_->enter(FileCall::sync_directory, path);
  base_.sync_directory(path);
}

std::unique_ptr<FileLock> FaultInjectingFilesystem::try_lock(const Path& path) {
  control_->enter(FileCall::lock, path);
  return base_.try_lock(path);
}

std::uint64_t FaultInjectingFilesystem::free_bytes(const Path& path) {
  control_->enter(FileCall::free_bytes, path);
  return base_.free_bytes(path);
}

}  // namespace expo
