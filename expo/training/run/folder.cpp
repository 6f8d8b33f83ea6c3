#include "expo/training/run/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "expo/checkpoint/folder/links.h"
#include "expo/core/error.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/training/run/state.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheckpoint = "checkpoint-";
constexpr std::string_view kReferences = "reference-log-probs-";
constexpr std::string_view kDropped = ".expo-dropped-";

/// Whether a name is one that a run gives to what is not finished.
bool is_unfinished(std::string_view name) {
  return name.starts_with(kDropped) ||
         ((name.starts_with(".checkpoint-") || name.starts_with(".failed-") ||
           name.starts_with(".final.")) &&
          (name.ends_with(".expo-partial") || name.ends_with(".expo-lock"))) ||
         name == ".run.json.partial" || name == ".metrics.jsonl.partial" ||
         name == "sessions.jsonl.expo-new" || name.starts_with(".report.html.") ||
         (name.starts_with(kReferences) && name.ends_with(".partial"));
}

}  // namespace

RunFolder::RunFolder(Filesystem& filesystem, const TrainingConfig& config,
                     std::vector<fs::path> inputs)
    : filesystem_(filesystem),
      config_(config),
      folder_(filesystem.canonical(config.output_dir)),
      inputs_(std::move(inputs)) {
  const auto status = filesystem_.status(folder_);
  if (status && !status->is_directory)
    throw usage_error(config_.output_dir + ": is a file, but a folder is expected");
  check_inputs();
  check_contents();
  filesystem_.create_directory(folder_.parent_path());
  lock_ = std::make_unique<OutputLock>(
      filesystem_,
      folder_.parent_path() / fmt::format(".{}.expo-lock", folder_.filename().string()),
      config_.output_dir, "output folder");
}

void RunFolder::check_inputs() const {
  for (const fs::path& input : inputs_) {
    const fs::path place = filesystem_.canonical(input);
    const bool inside = lies_in(place, folder_);
    const bool around = filesystem_.is_directory(place) && lies_in(folder_, place);
    if (!inside && !around) continue;
    throw usage_error(
        fmt::format("{}: {} the input {}, which the run might overwrite; choose another "
                    "output_dir",
                    config_.output_dir, inside ? "holds" : "lies in", input.string()));
  }
}

/// Whether run.json was written by a training run.
bool RunFolder::holds_run() const {
  const fs::path record = folder_ / "run.json";
  if (!filesystem_.exists(record)) return false;
  const Json json = parse_json(filesystem_.read_text(record), record.string());
  return json.is_object() && json.contains("expo") && json.contains("config") &&
         json["config"].is_object() && json["config"].contains("output_dir");
}

void RunFolder::check_contents() const {
  if (!filesystem_.is_directory(folder_)) return;
  if (holds_run()) {
    if (!config_.resume && !config_.overwrite_output_dir) {
      throw usage_error(
          fmt::format("{}: holds a training run; continue it with --resume, or replace it with "
                      "--overwrite-output-dir",
                      config_.output_dir));
    }
    if (config_.resume && filesystem_.exists(folder_ / "final") && !newest_checkpoint()) {
      throw usage_error(
          fmt::format("{}: holds a run that is finished, without a checkpoint to resume from; "
                      "--overwrite-output-dir replaces it",
                      config_.output_dir));
    }
    return;
  }
  for (const std::string& name : filesystem_.list(folder_)) {
    if (name.starts_with(kReferences) || is_unfinished(name)) continue;
    throw usage_error(fmt::format("{}: is a folder with something else in it ({}); choose another",
                                  config_.output_dir, name));
  }
}

void RunFolder::begin() {
  filesystem_.create_directory(folder_);
  sweep();
  if (!config_.overwrite_output_dir) return;
  // The record is removed last, so that a half-removed run is still recognised as one.
  for (const auto& [step, folder] : list_run_checkpoints(filesystem_, folder_)) drop(folder);
  if (filesystem_.exists(folder_ / "final")) drop(folder_ / "final");
  for (const char* name :
       {"metrics.jsonl", "sessions.jsonl", "sessions.jsonl.damaged", "report.html", "run.json"})
    filesystem_.remove(folder_ / name);
}

void RunFolder::sweep() const {
  for (const std::string& name : filesystem_.list(folder_)) {
    if (is_unfinished(name)) filesystem_.remove(folder_ / name);
  }
}

/// Renames the folder before removing it, so that no checkpoint is ever seen with only a part of
/// its files.
void RunFolder::drop(const fs::path& folder) const {
  const fs::path aside = folder_ / fmt::format("{}{}", kDropped, folder.filename().string());
  filesystem_.rename_no_replace(folder, aside);
  filesystem_.sync_directory(folder_);
  filesystem_.remove(aside);
}

fs::path RunFolder::checkpoint(const fs::path& folder, std::int64_t step) {
  return folder / fmt::format("{}{}", kCheckpoint, step);
}

fs::path RunFolder::failed(const fs::path& folder, std::int64_t step) {
  return folder / fmt::format("failed-{}", step);
}

std::optional<std::int64_t> RunFolder::newest_checkpoint() const {
  const auto found = list_run_checkpoints(filesystem_, folder_);
  return found.empty() ? std::nullopt : std::optional(found.back().first);
}

std::uint64_t RunFolder::checkpoints() const {
  return list_run_checkpoints(filesystem_, folder_).size();
}

std::unique_ptr<AtomicDirectory> RunFolder::open(const fs::path& folder) const {
  AtomicDirectoryOptions options;
  options.overwrite = true;
  options.inputs = inputs_;
  return std::make_unique<AtomicDirectory>(filesystem_, folder, options);
}

void RunFolder::write_record(const Json& record) const {
  filesystem_.replace_text(folder_ / "run.json", folder_ / ".run.json.partial",
                           format_json(record));
}

void RunFolder::keep_newest(std::int64_t checkpoints) const {
  const auto found = list_run_checkpoints(filesystem_, folder_);
  const auto limit = static_cast<std::size_t>(checkpoints);
  for (std::size_t i = 0; i + limit < found.size(); ++i) drop(found[i].second);
}

void RunFolder::check_room(std::uint64_t bytes) const {
  check_free_space(filesystem_, folder_, bytes);
}

std::vector<std::pair<std::int64_t, fs::path>> list_run_checkpoints(Filesystem& filesystem,
                                                                    const fs::path& output) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  if (!filesystem.is_directory(output)) return found;
  for (const std::string& name : filesystem.list(output)) {
    if (!name.starts_with(kCheckpoint)) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + kCheckpoint.size(), end, step);
    if (error == std::errc() && stop == end && filesystem.exists(output / name / kStateFile))
      found.emplace_back(step, output / name);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace expo
