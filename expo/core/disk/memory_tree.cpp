#include "expo/core/disk/memory_tree.h"

#include <algorithm>
#include <cerrno>

namespace expo::memory {
namespace {

constexpr std::size_t kLongestName = 255;  // the limit of Linux's filesystems
constexpr int kMostLinks = 40;

/// Walks one path: keeps the place that has been reached and the names that are still ahead.
class Walk {
 public:
  Walk(const NodePtr& root, const Path& path, bool follow_last)
      : root_(root), follow_last_(follow_last) {
    enqueue(path);
  }

  int run(Place& place) {
    while (!ahead_.empty()) {
      const std::string name = ahead_.front();
      ahead_.pop_front();
      const int error = step(name);
      if (error != 0) return error;
    }
    place = end();
    return 0;
  }

 private:
  struct Stop {
    std::string name;
    NodePtr node;
  };

  void enqueue(const Path& path) {
    if (path.is_absolute()) behind_.clear();
    std::deque<std::string> parts;
    for (const Path& part : path.relative_path()) parts.push_back(part.string());
    ahead_.insert(ahead_.begin(), parts.begin(), parts.end());
  }

  const NodePtr& here() const { return behind_.empty() ? root_ : behind_.back().node; }

  int step(const std::string& name) {
    if (here() == nullptr) return name.empty() ? 0 : ENOENT;
    if (here()->kind != Node::Kind::folder) return ENOTDIR;
    if (name.empty() || name == ".") return 0;
    if (name == "..") {
      if (!behind_.empty()) behind_.pop_back();
      return 0;
    }
    if (name.size() > kLongestName) return ENAMETOOLONG;
    const auto found = here()->entries.find(name);
    const NodePtr node = found == here()->entries.end() ? nullptr : found->second;
    if (node && node->kind == Node::Kind::link && (follow_last_ || !ahead_.empty())) {
      if (++links_ > kMostLinks) return ELOOP;
      enqueue(node->target);
      return 0;
    }
    behind_.push_back({name, node});
    return 0;
  }

  Place end() const {
    Place place;
    place.path = "/";
    for (const Stop& stop : behind_) place.path /= stop.name;
    place.node = here();
    if (behind_.empty()) return place;
    place.name = behind_.back().name;
    place.folder = behind_.size() == 1 ? root_ : behind_[behind_.size() - 2].node;
    return place;
  }

  const NodePtr& root_;
  bool follow_last_;
  int links_ = 0;
  std::deque<std::string> ahead_;
  std::vector<Stop> behind_;
};

}  // namespace

std::uint64_t Space::free() const {
  const std::uint64_t most = capacity.load();
  const std::uint64_t taken = used.load();
  return taken < most ? most - taken : 0;
}

Node::~Node() {
  space->used -= bytes.size();
}

bool Node::resize(std::uint64_t size) {
  const std::uint64_t before = bytes.size();
  const std::uint64_t after =
      size <= before ? size : before + std::min(size - before, space->free());
  bytes.resize(static_cast<std::size_t>(after));
  space->used += after;
  space->used -= before;
  return after == size;
}

int resolve(const NodePtr& root, const Path& path, bool follow_last, Place& place) {
  return Walk(root, path, follow_last).run(place);
}

bool lies_in(const NodePtr& node, const NodePtr& folder) {
  if (node == folder) return true;
  return std::ranges::any_of(folder->entries,
                             [&](const auto& entry) { return lies_in(node, entry.second); });
}

}  // namespace expo::memory
