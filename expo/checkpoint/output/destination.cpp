#include "expo/checkpoint/output/destination.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "expo/checkpoint/folder/links.h"
#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

[[noreturn]] void refuse(const Path& folder, std::string_view reason) {
  throw usage_error(fmt::format("{}: {}", folder.string(), reason));
}

bool holds_weights(const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [](const std::string& name) { return is_weight_file(name); });
}

/// Whether people expect such a file in a checkpoint, by its name: weights, configuration,
/// tokenizer, code, and documents about the model.
bool belongs_to_checkpoint(std::string_view name) {
  constexpr std::array<std::string_view, 7> kEndings = {".json", ".jinja", ".model", ".tiktoken",
                                                        ".py",   ".md",    ".lock"};
  constexpr std::array<std::string_view, 8> kBeginnings = {
      "LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "README", "tokenizer", "vocab.", "merges."};
  return is_weight_file(name) ||
         std::ranges::any_of(kEndings, [&](auto ending) { return name.ends_with(ending); }) ||
         std::ranges::any_of(kBeginnings, [&](auto begin) { return name.starts_with(begin); });
}

bool holds_configuration(const std::vector<std::string>& names) {
  constexpr std::array<std::string_view, 3> kNames = {"config.json", "adapter_config.json",
                                                      "run.json"};
  return std::ranges::find_first_of(names, kNames) != names.end();
}

/// Whether the name is a hidden entry that downloading a checkpoint leaves behind.
bool is_common_hidden(std::string_view name) {
  return name == ".gitattributes" || name == ".gitignore" || name == ".cache" ||
         name == ".DS_Store";
}

/// The first file below a folder that has no place in a checkpoint's subfolders (templates, code).
std::optional<std::string> find_stranger_below(Filesystem& filesystem, const Path& folder,
                                               const std::string& inner) {
  for (const std::string& name : filesystem.list(folder / inner)) {
    const std::string path = inner + "/" + name;
    if (filesystem.is_directory(folder / path)) {
      if (auto found = find_stranger_below(filesystem, folder, path)) return found;
    } else if (!belongs_to_checkpoint(name) || is_weight_file(name)) {
      return path;
    }
  }
  return std::nullopt;
}

/// A file that would be lost with the checkpoint although it is no part of it.
std::optional<std::string> find_stranger(Filesystem& filesystem, const Path& folder,
                                         const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (is_common_hidden(name)) continue;
    if (name.starts_with('.')) return name;
    if (filesystem.is_directory(folder / name)) {
      if (auto found = find_stranger_below(filesystem, folder, name)) return found;
    } else if (!belongs_to_checkpoint(name)) {
      return name;
    }
  }
  return std::nullopt;
}

void check_replaceable(Filesystem& filesystem, const Path& folder) {
  constexpr std::string_view kRemedy =
      "--overwrite replaces a single checkpoint's folder only; remove it yourself, or choose "
      "another output folder";
  const auto names = filesystem.list(folder);
  if (!holds_weights(names) || !holds_configuration(names)) {
    refuse(folder, fmt::format("does not look like a checkpoint (no weight file with a "
                               "config.json, adapter_config.json or run.json); {}",
                               kRemedy));
  }
  const auto stranger = find_stranger(filesystem, folder, names);
  if (stranger)
    refuse(folder,
           fmt::format("holds {}, which is no part of a checkpoint; {}", *stranger, kRemedy));
}

/// Whether the path is a dangling link: status() finds no file, yet the name is taken.
bool is_dangling_link(Filesystem& filesystem, const Path& folder) {
  const Path parent = folder.parent_path();
  if (filesystem.exists(folder) || !filesystem.is_directory(parent)) return false;
  return std::ranges::binary_search(filesystem.list(parent), folder.filename().string());
}

void check_kind(Filesystem& filesystem, const Path& folder) {
  if (!folder.has_relative_path()) refuse(folder, "the root cannot be an output folder");
  if (lies_in(filesystem.canonical("."), folder)) {
    refuse(folder,
           "is or contains the working folder, but the output folder is put in place as a whole; "
           "name a folder inside it");
  }
  if (is_dangling_link(filesystem, folder)) {
    refuse(folder, "is a link to something that does not exist; name a folder");
  }
  for (Path path = folder; path.has_relative_path(); path = path.parent_path()) {
    const auto found = filesystem.status(path);
    if (found && !found->is_directory) refuse(path, "is a file; expected a folder");
    if (found) return;
  }
}

void check_input_file(const Path& file, const Path& input, const Destination& destination) {
  if (lies_in(file, destination.folder)) {
    refuse(destination.folder,
           fmt::format("the output folder holds {}, which belongs to the input {}; choose another "
                       "output folder",
                       file.string(), input.string()));
  }
  for (const Path& folder : {destination.partial, destination.replaced}) {
    if (!lies_in(file, folder)) continue;
    refuse(destination.folder,
           fmt::format("writing it uses the folder {}, which contains the input {}; choose another "
                       "output folder",
                       folder.string(), input.string()));
  }
}

void check_input(Filesystem& filesystem, const Path& input, const Destination& destination) {
  const Path resolved = filesystem.canonical(input);
  if (resolved == destination.folder) {
    refuse(destination.folder, "the output folder is an input; choose another output folder");
  }
  const bool folder = filesystem.is_directory(resolved);
  if (folder && lies_in(destination.folder, resolved)) {
    refuse(destination.folder, fmt::format("the output folder lies inside the input {}; choose "
                                           "another output folder",
                                           input.string()));
  }
  check_input_file(resolved, input, destination);
  if (!folder) return;
  for (const std::string& name : filesystem.list(resolved)) {
    check_input_file(filesystem.canonical(resolved / name), input, destination);
  }
}

void check_occupation(Filesystem& filesystem, const Path& folder, bool overwrite) {
  if (!is_occupied(filesystem, folder)) return;
  if (!overwrite) {
    refuse(folder,
           "the output folder exists and is not empty; choose another one, or replace it with "
           "--overwrite");
  }
  check_replaceable(filesystem, folder);
}

/// The path ".NAME.expo-ENDING" beside the folder NAME.
Path beside(const Path& folder, std::string_view ending) {
  return folder.parent_path() / fmt::format(".{}.expo-{}", folder.filename().string(), ending);
}

}  // namespace

Path partial_folder(const Path& folder) {
  return beside(folder, "partial");
}

Destination check_destination(Filesystem& filesystem, const Path& folder,
                              const AtomicDirectoryOptions& options) {
  if (folder.empty()) throw usage_error("the output folder has no name; give one");
  Destination destination;
  destination.folder = filesystem.canonical(folder);
  check_kind(filesystem, destination.folder);
  destination.partial = partial_folder(destination.folder);
  destination.replaced = beside(destination.folder, "replaced");
  destination.lock = beside(destination.folder, "lock");
  for (const Path& input : options.inputs) check_input(filesystem, input, destination);
  check_occupation(filesystem, destination.folder, options.overwrite);
  return destination;
}

bool is_occupied(Filesystem& filesystem, const Path& folder) {
  const auto found = filesystem.status(folder);
  return found && (!found->is_directory || !filesystem.list(folder).empty());
}

}  // namespace expo
