#pragma once

#include <filesystem>
#include <vector>

namespace expo {

/// Where the rows of a job go.
struct RowOutput {
  std::filesystem::path file;  ///< empty: every row is given out, and nothing is kept
  bool as_array = false;       ///< one JSON array instead of an object a line
  bool overwrite = false;
  bool resume = false;
  /// Files that must not be written over, and folders in which nothing may be written, beside the
  /// engine's sources.
  std::vector<std::filesystem::path> inputs;
};

}  // namespace expo
