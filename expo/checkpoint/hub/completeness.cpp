#include "expo/checkpoint/hub/completeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "expo/checkpoint/folder/sidecars.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

constexpr std::string_view kUnfinished = ".incomplete";

struct ListedFile {
  std::string blob;  ///< the name of its blob
  std::uint64_t size = 0;
};
/// The files of a commit, by name.
using Listing = std::map<std::string, ListedFile>;

[[noreturn]] void refuse_partial(const HubSnapshot& snapshot, const std::string& lacking) {
  throw input_error(fmt::format("{}: the download is incomplete: {}; finish it with `{}`",
                                snapshot.folder.string(), lacking, download_command(snapshot)));
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

ListedFile listed_file(const Json& entry) {
  ListedFile result;
  if (!entry.is_object()) return result;
  result.blob = text_or_empty(entry, "lfs_sha256");
  if (result.blob.empty()) result.blob = text_or_empty(entry, "blob_id");
  const auto size = entry.find("size");
  if (size != entry.end() && size->is_number_unsigned()) result.size = size->get<std::uint64_t>();
  return result;
}

/// Reads huggingface_hub's listing of the commit. It is an aid and not part of the model, so an
/// unreadable one counts as absent.
std::optional<Listing> read_listing(Filesystem& filesystem, const HubSnapshot& snapshot) {
  const Path file = snapshot.repository / "trees" / (snapshot.commit + ".json");
  if (!filesystem.exists(file)) return std::nullopt;
  try {
    const Json root = parse_json(filesystem.read_text(file), file.string());
    const auto files = root.is_object() ? root.find("files") : root.end();
    if (files == root.end() || !files->is_object()) return std::nullopt;
    Listing result;
    for (const auto& [name, entry] : files->items()) result[name] = listed_file(entry);
    return result;
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The shards that an index names; errors in the index are left to its reader to report.
std::set<std::string> shards_of(Filesystem& filesystem, const Path& index) {
  std::set<std::string> result;
  const Json root = parse_json(filesystem.read_text(index), index.string());
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (map == root.end() || !map->is_object()) return result;
  for (const Json& file : *map) {
    if (file.is_string()) result.insert(file.get<std::string>());
  }
  return result;
}

/// The names of the files that the chosen weights consist of.
std::set<std::string> names_of(Filesystem& filesystem, const WeightChoice& choice) {
  std::set<std::string> result;
  if (choice.is_index) result = shards_of(filesystem, choice.file);
  result.insert(choice.file.filename().string());
  return result;
}

void check_weights(Filesystem& filesystem, const HubSnapshot& snapshot,
                   const std::set<std::string>& names) {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const bool plain = !name.empty() && name.find('/') == name.npos && name.find('\0') == name.npos;
    if (plain && !filesystem.exists(snapshot.folder / name)) missing.push_back(name);
  }
  if (missing.empty()) return;
  refuse_partial(snapshot, fmt::format("{} of {} weight files are missing ({}{})", missing.size(),
                                       names.size() - 1, missing.front(),
                                       missing.size() > 1 ? " and others" : ""));
}

/// The blobs whose download was started but not finished: ETAG.incomplete, or
/// ETAG.RANDOM.incomplete. If the blob itself exists, the file is a leftover of an earlier attempt.
std::vector<std::string> unfinished_blobs(Filesystem& filesystem, const HubSnapshot& snapshot) {
  const Path blobs = snapshot.repository / "blobs";
  std::vector<std::string> result;
  if (!filesystem.is_directory(blobs)) return result;
  for (const std::string& name : filesystem.list(blobs)) {
    if (!name.ends_with(kUnfinished)) continue;
    const std::string blob = name.substr(0, name.find('.'));
    if (!filesystem.exists(blobs / blob)) result.push_back(blob);
  }
  return result;
}

using Needed = std::set<std::string>;

bool is_needed(const std::string& name, std::uint64_t size, const Needed& weights) {
  return weights.contains(name) || is_sidecar(name, size);
}

void check_unfinished(Filesystem& filesystem, const HubSnapshot& snapshot,
                      const std::optional<Listing>& listing, const Needed& weights) {
  for (const std::string& blob : unfinished_blobs(filesystem, snapshot)) {
    if (!listing) {
      refuse_partial(
          snapshot,
          fmt::format("blobs/{}*{} was started but not finished (remove it if it belongs to "
                      "something else)",
                      blob.substr(0, 12), kUnfinished));
    }
    for (const auto& [name, file] : *listing) {
      if (file.blob == blob && is_needed(name, file.size, weights)) {
        refuse_partial(snapshot, name + " was started but not finished");
      }
    }
  }
}

std::vector<std::string> missing_sidecars(Filesystem& filesystem, const HubSnapshot& snapshot,
                                          const Listing& listing) {
  std::vector<std::string> warnings;
  for (const auto& [name, file] : listing) {
    if (!is_sidecar(name, file.size) || filesystem.exists(snapshot.folder / name)) continue;
    if (name == "config.json") refuse_partial(snapshot, "config.json is missing");
    warnings.push_back(fmt::format("{}: {} of {} was not downloaded; `{}` downloads it",
                                   snapshot.folder.string(), name, snapshot.model_id,
                                   download_command(snapshot)));
  }
  return warnings;
}

}  // namespace

std::vector<std::string> check_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot,
                                        const std::optional<WeightChoice>& choice) {
  if (!choice) refuse_partial(snapshot, "it holds no weights in a supported format");
  const Needed weights = names_of(filesystem, *choice);
  check_weights(filesystem, snapshot, weights);
  const auto listing = read_listing(filesystem, snapshot);
  check_unfinished(filesystem, snapshot, listing, weights);
  if (!listing) return {};
  return missing_sidecars(filesystem, snapshot, *listing);
}

void check_adapter_snapshot(Filesystem& filesystem, const HubSnapshot& snapshot) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (filesystem.exists(snapshot.folder / name)) return;
  }
  refuse_partial(snapshot, "adapter_model.safetensors is missing");
}

}  // namespace expo
