#include "expo/report/run_source.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/report/run_files.h"

namespace expo {
namespace {

constexpr std::string_view kExpected =
    "expected the folder of a search or of a training run, or a file with what expo inspect --json "
    "prints";

bool is_search(const Json& record) {
  return record.is_object() && record.value("command", Json()) == "search";
}

bool is_training(const Json& record) {
  if (!record.is_object() || !record.contains("expo")) return false;
  const Json config = record.value("config", Json());
  return config.is_object() && config.contains("output_dir");
}

/// Of two checkpoints, or of one.
bool is_inspection(const Json& json) {
  if (!json.is_object()) return false;
  const bool has_pair = json.contains("sft") && json.contains("aligned");
  return json.contains("tensors") &&
         ((has_pair && json.contains("by_layer")) || json.contains("kinds"));
}

std::unique_ptr<RunSource> open_file(Filesystem& filesystem, const std::filesystem::path& file) {
  Json json;
  try {
    json = read_json_file(filesystem, file);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::input) throw;
    throw input_error(fmt::format("{}; {}", error.what(), kExpected));
  }
  if (is_inspection(json)) return open_inspection(std::move(json));
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (file.extension() == ".json" && filesystem.exists(folder / "run.json"))
    throw input_error(fmt::format("{}: is one file of a run; name its folder, {}", file.string(),
                                  folder.string()));
  throw input_error(fmt::format("{}: is no run: {}", file.string(), kExpected));
}

std::unique_ptr<RunSource> open_folder(Filesystem& filesystem, const std::filesystem::path& folder,
                                       const CancellationToken& cancellation) {
  Json record = read_json_file(filesystem, folder / "run.json");
  if (is_search(record) || (record.is_null() && filesystem.exists(folder / "search.json")))
    return open_search(filesystem, folder, std::move(record), cancellation);
  if (is_training(record)) return open_training(filesystem, folder, std::move(record));
  throw input_error(fmt::format("{}: is no run, as {}: {}", folder.string(),
                                record.is_null()
                                    ? "it holds no run.json"
                                    : "its run.json is neither a search's nor a training's",
                                kExpected));
}

}  // namespace

std::unique_ptr<RunSource> open_run(Filesystem& filesystem, const std::filesystem::path& path,
                                    const CancellationToken& cancellation) {
  const auto status = filesystem.status(path);
  if (!status) throw input_error(fmt::format("{}: is not there; {}", path.string(), kExpected));
  return status->is_directory ? open_folder(filesystem, path, cancellation)
                              : open_file(filesystem, path);
}

Json read_sessions(Filesystem& filesystem, const std::filesystem::path& folder,
                   std::vector<std::string>& missing) {
  Json sessions = Json::array();
  const auto take = [&](const Json& line, const LineReader::Line&) {
    if (line.contains("ended")) {
      if (!sessions.empty()) sessions.back()["ended"] = line.at("ended");
      return;
    }
    Json session = {{"started", line.at("started")}, {"ended", nullptr}};
    for (const char* key : {"command", "expo", "machine"}) session[key] = line.at(key);
    sessions.push_back(std::move(session));
  };
  if (!read_lines_of(filesystem, {folder / "sessions.jsonl", "expo-sessions-1"}, take, missing)) {
    missing.emplace_back(
        "There is no sessions.jsonl, as in runs of earlier versions: when, where and by which "
        "command it ran is not known.");
  }
  return sessions;
}

}  // namespace expo
