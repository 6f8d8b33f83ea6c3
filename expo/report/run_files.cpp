#include "expo/report/run_files.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/report/text_repair.h"

namespace expo {
namespace {

/// "expo-answers" of "expo-answers-1".
std::string_view name_of(std::string_view format) {
  return format.substr(0, format.rfind('-'));
}

void check_format(const Json& line, const LinesFile& expected) {
  const auto format = line.find("format");
  const bool is_text = format != line.end() && format->is_string();
  const std::string found = is_text ? format->get<std::string>() : std::string();
  if (found == expected.format) return;
  if (is_text && name_of(found) == name_of(expected.format)) {
    throw input_error(
        fmt::format("{}: has the format {}, but this version of expo reads {}; make the page with "
                    "the version that wrote the run",
                    expected.path.string(), found, expected.format));
  }
  throw input_error(fmt::format("{}: does not begin with the line {}, so no run has left it here",
                                expected.path.string(),
                                compact_json({{"format", expected.format}})));
}

}  // namespace

Json read_json_file(Filesystem& filesystem, const std::filesystem::path& path) {
  if (!filesystem.exists(path)) return {};
  return parse_repaired(filesystem.read_text(path), path.string());
}

void read_lines(const ReadableFile& file, const LinesFile& expected, const TakeLine& take,
                std::vector<std::string>& missing) {
  LineReader reader(file);
  while (const auto line = reader.next()) {
    const std::string where = fmt::format("{}:{}", expected.path.string(), line->number);
    const Json json = parse_repaired(line->text, where);
    if (!json.is_object())
      throw input_error(where + ": is no JSON object, so no run has left this line; remove it");
    if (line->number == 1 && !expected.format.empty()) {
      check_format(json, expected);
      continue;
    }
    try {
      take(json, *line);
    } catch (const Json::exception&) {
      throw input_error(where + ": is not a line that a run has left there; remove the line");
    }
  }
  if (reader.is_cut()) {
    missing.push_back(fmt::format("The last line of {} was cut off while it was written.",
                                  expected.path.filename().string()));
  }
}

bool read_lines_of(Filesystem& filesystem, const LinesFile& expected, const TakeLine& take,
                   std::vector<std::string>& missing) {
  if (!filesystem.exists(expected.path)) return false;
  read_lines(*filesystem.open(expected.path, Caching::buffered), expected, take, missing);
  return true;
}

bool copy_lines(Filesystem& filesystem, const LinesFile& expected, const TextSink& sink,
                std::vector<std::string>& missing) {
  ListOutput list(sink);
  const bool is_there = read_lines_of(
      filesystem, expected, [&](const Json& line, const LineReader::Line&) { list.add(line); },
      missing);
  list.end();
  return is_there;
}

}  // namespace expo
