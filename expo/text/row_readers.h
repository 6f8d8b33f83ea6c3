#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/text/row_reader.h"

namespace expo {

/// A byte-order mark in UTF-8, with which files of JSON may begin.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The readers that open_rows() chooses from once the format is known.

std::unique_ptr<RowReader> open_json_lines(Filesystem& filesystem,
                                           const std::filesystem::path& path);
/// Reads an array of objects, or one object, into memory.
std::unique_ptr<RowReader> open_json_array(Filesystem& filesystem,
                                           const std::filesystem::path& path);
std::unique_ptr<RowReader> open_parquet(Filesystem& filesystem, const std::filesystem::path& path);

/// The files of one split in the folder of a data set, in the order of their names.
std::vector<std::filesystem::path> split_files(Filesystem& filesystem,
                                               const std::filesystem::path& folder,
                                               const std::optional<std::string>& split);

}  // namespace expo
