#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/text/row_reader.h"

namespace expo {

// What open_rows() chooses from; the format is given by now.

std::unique_ptr<RowReader> open_json_lines(Filesystem& filesystem,
                                           const std::filesystem::path& path);
/// An array of objects, or one object, in memory.
std::unique_ptr<RowReader> open_json_array(Filesystem& filesystem,
                                           const std::filesystem::path& path);
std::unique_ptr<RowReader> open_parquet(Filesystem& filesystem, const std::filesystem::path& path);

/// The files of one split of a data set's folder, in the order of their names.
std::vector<std::filesystem::path> split_files(Filesystem& filesystem,
                                               const std::filesystem::path& folder,
                                               const std::optional<std::string>& split);

}  // namespace expo
