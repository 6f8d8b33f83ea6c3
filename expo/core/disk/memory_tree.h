#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace expo::memory {

using Path = std::filesystem::path;

/// The bytes that files hold and the bytes that they may hold. Shared, because files outlive their
/// filesystem.
struct Space {
  std::atomic<std::uint64_t> used{0};
  std::atomic<std::uint64_t> capacity{0};

  std::uint64_t free() const;
};

struct Node;
using NodePtr = std::shared_ptr<Node>;
using Entries = std::map<std::string, NodePtr>;

/// A folder, file or link. Guarded by the filesystem's mutex.
struct Node {
  /// The kind of a node.
  enum class Kind { folder, file, link };

  Node(Kind node_kind, std::shared_ptr<Space> node_space)
      : kind(node_kind), space(std::move(node_space)) {}
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Cuts a file, or extends it with zeros as far as there is space. Returns false if the space ran
  /// out.
  bool resize(std::uint64_t size);

  Kind kind;
  std::shared_ptr<Space> space;
  Entries entries;               // folder
  Entries durable_entries;       // as of its last sync
  std::vector<std::byte> bytes;  // file
  std::vector<std::byte> durable_bytes;
  Path target;  // link
  bool locked = false;
  std::int64_t modified = 0;
};

/// Where a path leads: its entry `name` in `folder`, and the node there, if any. For the root,
/// `folder` is null.
struct Place {
  NodePtr folder;
  std::string name;
  NodePtr node;
  Path path;  ///< absolute and without links, except for a last one that was not followed
};

/// Resolves a path as the kernel does; relative paths start at the root. Returns 0, or ENOENT (a
/// folder on the way is missing), ENOTDIR, ELOOP or ENAMETOOLONG. A missing last component is no
/// error.
int resolve(const NodePtr& root, const Path& path, bool follow_last, Place& place);

/// Whether `node` is `folder` or lies below it.
bool lies_in(const NodePtr& node, const NodePtr& folder);

}  // namespace expo::memory
