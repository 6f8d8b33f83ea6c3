#include "expo/core/disk/memory_filesystem.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "expo/core/disk/memory_tree.h"
#include "expo/core/disk/posix_file.h"
#include "expo/core/error.h"

namespace expo {

using memory::Node;
using memory::NodePtr;
using memory::Place;

struct MemoryFilesystem::State {
  std::mutex mutex;
  std::shared_ptr<memory::Space> space = std::make_shared<memory::Space>();
  std::int64_t clock = 0;
  bool has_hard_links = true;
  NodePtr root = make(Node::Kind::folder);

  NodePtr make(Node::Kind kind) {
    auto node = std::make_shared<Node>(kind, space);
    node->modified = ++clock;
    return node;
  }
};

namespace {

using Path = std::filesystem::path;
using State = MemoryFilesystem::State;

[[noreturn]] void fail(const Path& path, const char* action, int error) {
  throw environment_error(describe_failure(path, action, error));
}

Place find(const State& state, const Path& path, bool follow_last, const char* action) {
  Place place;
  const int error = memory::resolve(state.root, path, follow_last, place);
  if (error != 0) fail(path, action, error);
  return place;
}

Place find_existing(const State& state, const Path& path, bool follow_last, const char* action) {
  Place place = find(state, path, follow_last, action);
  if (!place.node) fail(path, action, ENOENT);
  return place;
}

NodePtr find_folder(const State& state, const Path& path, const char* action) {
  NodePtr node = find_existing(state, path, true, action).node;
  if (node->kind != Node::Kind::folder) fail(path, action, ENOTDIR);
  return node;
}

/// The file at a path, which is created if there is none.
NodePtr find_or_make_file(State& state, const Path& path, const char* action) {
  const Place place = find(state, path, true, action);
  if (place.node && place.node->kind == Node::Kind::folder) fail(path, action, EISDIR);
  if (place.node) return place.node;
  NodePtr node = state.make(Node::Kind::file);
  place.folder->entries[place.name] = node;
  place.folder->modified = ++state.clock;
  return node;
}

class MemoryReadableFile final : public ReadableFile {
 public:
  MemoryReadableFile(std::shared_ptr<State> state, NodePtr node, Path path)
      : state_(std::move(state)), node_(std::move(node)), path_(std::move(path)) {
    size_ = node_->bytes.size();
  }

  std::span<const std::byte> read(std::uint64_t offset, std::size_t length,
                                  AlignedBuffer& scratch) const override {
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t size = std::min<std::uint64_t>(size_, node_->bytes.size());
    if (offset > size || length > size - offset) {
      throw input_error(path_.string() + ": the file ends at byte " + std::to_string(size) +
                        " but " + std::to_string(offset + length) +
                        " bytes are needed; it was cut short, perhaps by an incomplete download");
    }
    const auto buffer = scratch.get(length);
    if (length > 0) std::memcpy(buffer.data(), node_->bytes.data() + offset, length);
    return buffer;
  }

  std::uint64_t size() const override { return size_; }
  const Path& path() const override { return path_; }

 private:
  std::shared_ptr<State> state_;
  NodePtr node_;
  Path path_;
  std::uint64_t size_ = 0;
};

class MemoryWritableFile final : public WritableFile {
 public:
  MemoryWritableFile(std::shared_ptr<State> state, NodePtr node, Path path)
      : state_(std::move(state)), node_(std::move(node)), path_(std::move(path)) {}

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (bytes.empty()) return;
    const std::lock_guard lock(state_->mutex);
    check_open("write");
    const bool enough = extend(offset + bytes.size());
    if (offset < node_->bytes.size()) {
      const std::size_t fits = std::min<std::size_t>(bytes.size(), node_->bytes.size() - offset);
      std::memcpy(node_->bytes.data() + offset, bytes.data(), fits);
    }
    if (!enough) fail(path_, "write", ENOSPC);
  }

  void allocate(std::uint64_t size) override {
    const std::lock_guard lock(state_->mutex);
    check_open("reserve space");
    if (!extend(size)) fail(path_, "reserve space", ENOSPC);
  }

  void sync() override {
    const std::lock_guard lock(state_->mutex);
    check_open("flush to disk");
    node_->durable_bytes = node_->bytes;
  }

  void close() override {
    const std::lock_guard lock(state_->mutex);
    closed_ = true;
  }

 private:
  void check_open(const char* action) const {
    if (closed_) fail(path_, action, EBADF);
  }

  bool extend(std::uint64_t size) {
    node_->modified = ++state_->clock;
    return node_->resize(std::max<std::uint64_t>(size, node_->bytes.size()));
  }

  std::shared_ptr<State> state_;
  NodePtr node_;
  Path path_;
  bool closed_ = false;
};

class MemoryLock final : public FileLock {
 public:
  MemoryLock(std::shared_ptr<State> state, NodePtr node)
      : state_(std::move(state)), node_(std::move(node)) {}
  ~MemoryLock() override {
    const std::lock_guard lock(state_->mutex);
    node_->locked = false;
  }

 private:
  std::shared_ptr<State> state_;
  NodePtr node_;
};

/// rename(2): moves the entry `from` to `to`, replacing what is there if the rules allow it.
void move_entry(State& state, const Place& from, const Place& to, const char* action) {
  const auto refuse = [&](int error) { fail(to.path, action, error); };
  if (!from.folder || !to.folder) refuse(EBUSY);
  if (from.node == to.node) return;
  const bool folder = from.node->kind == Node::Kind::folder;
  if (folder && memory::lies_in(to.folder, from.node)) refuse(EINVAL);
  if (to.node) {
    const bool onto_folder = to.node->kind == Node::Kind::folder;
    if (folder && !onto_folder) refuse(ENOTDIR);
    if (!folder && onto_folder) refuse(EISDIR);
    if (onto_folder && !to.node->entries.empty()) refuse(ENOTEMPTY);
  }
  const NodePtr node = from.node;
  from.folder->entries.erase(from.name);
  to.folder->entries[to.name] = node;
  from.folder->modified = to.folder->modified = ++state.clock;
}

/// Empties a removed folder for good: after a loss of power its name may come back, but its
/// contents do not.
void empty(const NodePtr& node) {
  for (const auto& [name, child] : node->entries) empty(child);
  node->entries.clear();
  node->durable_entries.clear();
}

template <typename Visit>
void visit_all(const NodePtr& node, const Visit& visit) {
  visit(*node);
  for (const auto& [name, child] : node->entries) visit_all(child, visit);
}

}  // namespace

MemoryFilesystem::MemoryFilesystem(std::uint64_t capacity) : state_(std::make_shared<State>()) {
  state_->space->capacity = capacity;
}

MemoryFilesystem::~MemoryFilesystem() = default;

std::unique_ptr<ReadableFile> MemoryFilesystem::open(const Path& path, Caching /*caching*/) {
  const std::lock_guard lock(state_->mutex);
  Place place;
  int error = memory::resolve(state_->root, path, true, place);
  if (error == 0 && !place.node) error = ENOENT;
  if (error != 0) throw input_error(describe_failure(path, "open", error));
  if (place.node->kind != Node::Kind::file) {
    throw input_error(path.string() + ": not a regular file");
  }
  return std::make_unique<MemoryReadableFile>(state_, place.node, path);
}

std::unique_ptr<WritableFile> MemoryFilesystem::create(const Path& path, Caching /*caching*/) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = find_or_make_file(*state_, path, "create");
  node->resize(0);
  node->modified = ++state_->clock;
  return std::make_unique<MemoryWritableFile>(state_, node, path);
}

std::optional<FileStatus> MemoryFilesystem::status(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  Place place;
  const int error = memory::resolve(state_->root, path, true, place);
  if (error == ELOOP) fail(path, "examine", error);
  if (error != 0 || !place.node) return std::nullopt;
  const bool folder = place.node->kind == Node::Kind::folder;
  return FileStatus{folder, !folder, place.node->bytes.size(), place.node->modified};
}

std::vector<std::string> MemoryFilesystem::list(const Path& folder) {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, node] : find_folder(*state_, folder, "list")->entries) {
    names.push_back(name);
  }
  return names;
}

MemoryFilesystem::Path MemoryFilesystem::canonical(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  Path walked = "/";
  Path result = "/";
  bool exists = true;
  for (const Path& part : path.relative_path()) {
    walked /= part;
    Place place;
    exists = exists && memory::resolve(state_->root, walked, true, place) == 0 && place.node;
    result = exists ? place.path : result / part;
  }
  result = result.lexically_normal();
  return result.has_filename() || !result.has_relative_path() ? result : result.parent_path();
}

void MemoryFilesystem::create_directory(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  constexpr const char* kAction = "create the folder";
  Path walked = "/";
  for (const Path& part : path.relative_path()) {
    walked /= part;
    const Place place = find(*state_, walked, true, kAction);
    if (place.node && place.node->kind != Node::Kind::folder) fail(path, kAction, ENOTDIR);
    if (place.node) continue;
    place.folder->entries[place.name] = state_->make(Node::Kind::folder);
    place.folder->modified = ++state_->clock;
  }
}

void MemoryFilesystem::remove(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  Place place;
  if (memory::resolve(state_->root, path, false, place) != 0 || !place.node) return;
  if (!place.folder) fail(path, "remove", EBUSY);
  place.folder->entries.erase(place.name);
  place.folder->modified = ++state_->clock;
  empty(place.node);
}

void MemoryFilesystem::rename_no_replace(const Path& from, const Path& to) {
  const std::lock_guard lock(state_->mutex);
  constexpr const char* kAction = "rename the finished output to it";
  const Place source = find_existing(*state_, from, false, kAction);
  const Place target = find(*state_, to, false, kAction);
  if (target.node && (target.node->kind != Node::Kind::folder || !target.node->entries.empty())) {
    throw usage_error(to.string() + ": already exists");
  }
  move_entry(*state_, source, target, kAction);
}

void MemoryFilesystem::rename_exchange(const Path& a, const Path& b) {
  const std::lock_guard lock(state_->mutex);
  constexpr const char* kAction = "exchange it with the finished output";
  const Place first = find(*state_, a, false, kAction);
  const Place second = find(*state_, b, false, kAction);
  if (!first.node || !second.node) fail(b, kAction, ENOENT);
  if (!first.folder || !second.folder) fail(b, kAction, EBUSY);
  const bool nested =
      memory::lies_in(first.node, second.node) || memory::lies_in(second.node, first.node);
  if (nested && first.node != second.node) fail(b, kAction, EINVAL);
  first.folder->entries[first.name] = second.node;
  second.folder->entries[second.name] = first.node;
  first.folder->modified = second.folder->modified = ++state_->clock;
}

void MemoryFilesystem::rename_replace(const Path& from, const Path& to) {
  const std::lock_guard lock(state_->mutex);
  const Place source = find_existing(*state_, from, false, "replace");
  move_entry(*state_, source, find(*state_, to, false, "replace"), "replace");
}

bool MemoryFilesystem::add_name(const Path& file, const Path& name) {
  const std::lock_guard lock(state_->mutex);
  constexpr const char* kAction = "give a file this name";
  Place source;
  const int error = memory::resolve(state_->root, file, true, source);
  if (error != 0 || !source.node) fail(name, kAction, error != 0 ? error : ENOENT);
  const Place target = find(*state_, name, false, kAction);
  if (target.node) fail(name, kAction, EEXIST);
  if (!state_->has_hard_links || source.node->kind == Node::Kind::folder) return false;
  target.folder->entries[target.name] = source.node;
  target.folder->modified = ++state_->clock;
  return true;
}

void MemoryFilesystem::sync_directory(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr folder = find_folder(*state_, path, "open the folder");
  folder->durable_entries = folder->entries;
}

std::unique_ptr<FileLock> MemoryFilesystem::try_lock(const Path& path) {
  const std::lock_guard lock(state_->mutex);
  const NodePtr node = find_or_make_file(*state_, path, "create the lock file");
  if (node->locked) return nullptr;
  node->locked = true;
  return std::make_unique<MemoryLock>(state_, node);
}

std::uint64_t MemoryFilesystem::free_bytes(const Path& /*path*/) {
  return state_->space->free();
}

void MemoryFilesystem::create_link(const Path& target, const Path& link) {
  const std::lock_guard lock(state_->mutex);
  const Place place = find(*state_, link, false, "create the link");
  if (place.node) fail(link, "create the link", EEXIST);
  const NodePtr node = state_->make(Node::Kind::link);
  node->target = target;
  place.folder->entries[place.name] = node;
}

void MemoryFilesystem::set_hard_links(bool has) {
  const std::lock_guard lock(state_->mutex);
  state_->has_hard_links = has;
}

void MemoryFilesystem::set_capacity(std::uint64_t capacity) {
  state_->space->capacity = capacity;
}

void MemoryFilesystem::lose_power() {
  const std::lock_guard lock(state_->mutex);
  visit_all(state_->root, [](Node& node) {
    node.entries = node.durable_entries;
    node.space->used += node.durable_bytes.size();
    node.space->used -= node.bytes.size();
    node.bytes = node.durable_bytes;
  });
}

void MemoryFilesystem::make_durable() {
  const std::lock_guard lock(state_->mutex);
  visit_all(state_->root, [](Node& node) {
    node.durable_entries = node.entries;
    node.durable_bytes = node.bytes;
  });
}

}  // namespace expo
