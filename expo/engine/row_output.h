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
  /// With `resume`: rows of other settings, and a file that no run with these settings has written,
  /// are replaced instead of refused.
  bool replace_others = false;
  std::string to_resume = "--resume continues from there";  ///< for messages
  /// Files that must not be overwritten, and folders in which nothing may be written, in addition
  /// to the engine's sources.
  std::vector<std::filesystem::path> inputs;
};

}  // namespace expo
