#include "expo/core/disk/output_lock.h"

#include <fmt/format.h>

#include <utility>

#include "expo/core/error.h"

namespace expo {

OutputLock::OutputLock(Filesystem& filesystem, std::filesystem::path lock,
                       const std::filesystem::path& output, std::string_view kind)
    : filesystem_(filesystem), path_(std::move(lock)), lock_(filesystem.try_lock(path_)) {
  if (lock_) return;
  throw environment_error(
      fmt::format("{}: another run is writing this {} (it holds the lock {}); wait for it to end, "
                  "or choose another output",
                  output.string(), kind, path_.string()));
}

OutputLock::~OutputLock() {
  try {
    filesystem_.remove(path_);
  } catch (...) {  // a lock file that nobody holds blocks nobody
  }
}

}  // namespace expo
