#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace expo {

/// Where the rows of a job go.
struct RowOutput {
  std::filesystem::path file;  ///< empty: every row is emitted, and nothing is kept
  bool as_array = false;       ///< one JSON array instead of one object per line
  bool overwrite = false;
  bool resume = false;
  /// With `resume`: what a run with other settings has left or finished is replaced instead of
  /// refused. A file that no run has written, or that was changed since, is refused all the same.
  bool replace_others = false;
  bool replaces_own_only = false;  ///< for messages: `overwrite` is never set, only the former
  std::string to_resume = "--resume continues from there";  ///< for messages
  /// Files that must not be overwritten, and folders in which nothing may be written, in addition
  /// to the engine's sources.
  std::vector<std::filesystem::path> inputs;
};

}  // namespace expo
