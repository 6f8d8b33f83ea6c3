#include "expo/search/run/search_folder.h"

#include <fmt/format.h>

#include <ctime>

#include "expo/checkpoint/folder/links.h"
#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/engine/settings_difference.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRecord = "run.json";
constexpr std::string_view kResult = "search.json";
constexpr std::string_view kUnfinished = ".expo-unfinished-";

}  // namespace

std::optional<Json> earlier_settings(Filesystem& filesystem, const fs::path& folder) {
  const fs::path record = folder / kRecord;
  if (!filesystem.exists(record)) return std::nullopt;
  Json json = parse_json(filesystem.read_text(record), record.string());
  if (!json.is_object() || json.value("command", Json()) != "search" || !json.contains("settings"))
    return std::nullopt;
  return std::move(json["settings"]);
}

std::int64_t search_moment(Filesystem& filesystem, const fs::path& folder) {
  const auto earlier = earlier_settings(filesystem, folder);
  const Json moment = earlier && earlier->is_object() ? earlier->value("moment", Json()) : Json();
  if (moment.is_number_integer()) return moment.get<std::int64_t>();
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  return ::timegm(&parts);  // as templates are told it without a time zone
}

SearchFolder::SearchFolder(Filesystem& filesystem, fs::path folder,
                           const std::vector<fs::path>& inputs)
    : filesystem_(filesystem),
      named_(std::move(folder)),
      folder_(filesystem.canonical(named_.has_filename() ? named_ : named_.parent_path())) {
  const auto status = filesystem_.status(folder_);
  if (status && !status->is_directory)
    throw usage_error(named_.string() + ": is a file, but a folder is expected");
  check_inputs(inputs);
  if (status) check_contents();
}

void SearchFolder::check_inputs(const std::vector<fs::path>& inputs) const {
  for (const fs::path& input : inputs) {
    const fs::path place = filesystem_.canonical(input);
    const bool inside = lies_in(place, folder_);
    const bool around = filesystem_.is_directory(place) && lies_in(folder_, place);
    if (!inside && !around) continue;
    throw usage_error(fmt::format("{}: {} {}, which is an input; choose another folder",
                                  named_.string(), inside ? "holds" : "lies in", input.string()));
  }
}

void SearchFolder::check_output(const fs::path& output) const {
  const fs::path place =
      filesystem_.canonical(output.has_filename() ? output : output.parent_path());
  if (lies_in(place, folder_) || lies_in(folder_, place)) {
    throw usage_error(fmt::format(
        "--write {}: {} the folder of the search, {}; choose a folder beside it", output.string(),
        place == folder_          ? "is"
        : lies_in(place, folder_) ? "lies in"
                                  : "would hold",
        named_.string()));
  }
  if (filesystem_.exists(output)) {
    throw usage_error(fmt::format(
        "--write {}: is there already; name a folder that is not, or remove it", output.string()));
  }
}

void SearchFolder::check_contents() {
  earlier_ = earlier_settings(filesystem_, folder_);
  if (earlier_) return;
  for (const std::string& name : filesystem_.list(folder_)) {
    if (name.starts_with(kUnfinished)) continue;
    throw usage_error(fmt::format("{}: is a folder with something else in it ({}); choose another",
                                  named_.string(), name));
  }
}

void SearchFolder::begin(const Json& settings) {
  filesystem_.create_directory(folder_.parent_path());
  lock_ = std::make_unique<OutputLock>(
      filesystem_,
      folder_.parent_path() / fmt::format(".{}.expo-lock", folder_.filename().string()), named_,
      "output folder");
  if (filesystem_.is_directory(folder_)) check_contents();
  if (!earlier_) {
    filesystem_.create_directory(folder_);
    replace(kRecord,
            format_json(
                {{"expo", std::string(version())}, {"command", "search"}, {"settings", settings}}));
    return;
  }
  const std::string found = difference_of(*earlier_, settings);
  if (found.empty()) return;
  throw usage_error(
      fmt::format("{}: holds a search with other settings: {}; give those again to go on with it, "
                  "or choose another folder",
                  named_.string(), found));
}

std::optional<Json> SearchFolder::finished() const {
  const fs::path result = folder_ / kResult;
  if (!filesystem_.exists(result)) return std::nullopt;
  return parse_json(filesystem_.read_text(result), result.string());
}

void SearchFolder::trace(const Json& line) {
  if (!trace_) trace_ = filesystem_.create(folder_ / "trace.jsonl", Caching::buffered);
  const std::string text = compact_json(line) + "\n";
  trace_->write_at(trace_size_, std::as_bytes(std::span(text.data(), text.size())));
  trace_->sync();
  trace_size_ += text.size();
}

void SearchFolder::commit(const std::vector<Json>& samples, const Json& result) {
  if (trace_) trace_->close();
  std::string rows;
  for (const Json& sample : samples) rows += compact_json(sample) + "\n";
  if (!samples.empty()) replace("samples.jsonl", rows);
  replace(kResult, format_json(result));
}

void SearchFolder::replace(std::string_view name, std::string_view text) {
  filesystem_.replace_text(folder_ / name, folder_ / fmt::format("{}{}", kUnfinished, name), text);
}

}  // namespace expo
