#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/report/json_output.h"
#include "expo/report/line_reader.h"

namespace expo {

/// What a file of JSON holds, repaired (text_repair.h); null if there is no such file. Throws
/// Error(input) if it is damaged.
Json read_json_file(Filesystem& filesystem, const std::filesystem::path& path);

/// A file of JSON lines: each line is an object.
struct LinesFile {
  std::filesystem::path path;
  std::string_view format = {};  ///< what its first line says, {"format": …}; empty: it has none
};

/// Hears of a line and where it stands in the file. May throw Json::exception for a line that it
/// does not understand.
using TakeLine = std::function<void(const Json& line, const LineReader::Line& place)>;

/// Passes the lines of an open file to `take`, without that of its format, and adds to `missing` if
/// the last one was cut off. Throws Error(input) for a file of another format, and for a line that
/// is damaged, no object, or not understood.
void read_lines(const ReadableFile& file, const LinesFile& expected, const TakeLine& take,
                std::vector<std::string>& missing);

/// Does so for a file that need not be there; returns whether it is.
bool read_lines_of(Filesystem& filesystem, const LinesFile& expected, const TakeLine& take,
                   std::vector<std::string>& missing);

/// Writes the lines of a file as a JSON list, which is empty if there is no such file; returns
/// whether it is there.
bool copy_lines(Filesystem& filesystem, const LinesFile& expected, const TextSink& sink,
                std::vector<std::string>& missing);

}  // namespace expo
