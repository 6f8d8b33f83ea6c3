#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "expo/core/error.h"
#include "expo/text/row_readers.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kEndings{".parquet", ".jsonl", ".ndjson", ".json"};
// Files beside the data that are not data themselves.
constexpr std::array<std::string_view, 3> kOther{"dataset_info.json", "dataset_dict.json",
                                                 "state.json"};

bool holds_rows(std::string_view name) {
  if (name.starts_with('.') || std::ranges::find(kOther, name) != kOther.end()) return false;
  return std::ranges::any_of(kEndings, [&](auto ending) { return name.ends_with(ending); });
}

/// The split in a file's name: "train" in "train-00000-of-00002.parquet", "test_prefs" in
/// "test_prefs-00000-of-00001.parquet", "dev" in "dev.jsonl".
std::string split_of(std::string_view name) {
  std::string_view stem = name.substr(0, name.rfind('.'));
  const std::size_t shard = stem.find("-of-");
  if (shard != std::string_view::npos) {
    const std::size_t dash = stem.substr(0, shard).rfind('-');
    if (dash != std::string_view::npos) return std::string(stem.substr(0, dash));
  }
  return std::string(stem);
}

using Splits = std::map<std::string, std::vector<fs::path>>;

void collect(Filesystem& filesystem, const fs::path& folder, Splits& splits) {
  for (const std::string& name : filesystem.list(folder)) {
    if (holds_rows(name)) splits[split_of(name)].push_back(folder / name);
  }
}

std::string names_of(const Splits& splits) {
  std::vector<std::string> names;
  for (const auto& [name, _] : splits) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<fs::path> split_files(Filesystem& filesystem, const fs::path& folder,
                                  const std::optional<std::string>& split) {
  Splits splits;
  collect(filesystem, folder, splits);
  if (splits.empty() && filesystem.is_directory(folder / "data"))
    collect(filesystem, folder / "data", splits);
  if (splits.empty()) {
    throw input_error(
        folder.string() +
        ": holds no data set; expected .parquet, .jsonl or .json files here or in data/");
  }
  if (!split && splits.size() == 1) return splits.begin()->second;
  if (!split) {
    throw usage_error(fmt::format("{}: holds several splits ({}); choose one with --split",
                                  folder.string(), names_of(splits)));
  }
  const auto found = splits.find(*split);
  if (found != splits.end()) return found->second;
  throw usage_error(fmt::format("{}: there is no split \"{}\", only {}", folder.string(), *split,
                                names_of(splits)));
}

}  // namespace expo
