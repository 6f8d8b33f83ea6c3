#include "expo/extrapolation/write/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "expo/core/byte_size.h"
#include "expo/core/error.h"
#include "expo/extrapolation/write/model_card.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

void write_sidecar(Filesystem& filesystem, const Sidecar& sidecar, const fs::path& folder) {
  const fs::path target = folder / sidecar.name;
  filesystem.create_directory(target.parent_path());
  if (const auto* text = std::get_if<std::string>(&sidecar.content)) {
    filesystem.write_text(target, *text);
  } else {
    filesystem.write_text(
        target, filesystem.read_text(std::get<fs::path>(sidecar.content), std::uint64_t{1} << 30));
  }
}

}  // namespace

DType main_dtype(const std::vector<OutputTensor>& tensors) {
  std::map<DType, std::uint64_t> bytes;
  for (const OutputTensor& tensor : tensors) bytes[tensor.dtype] += tensor.bytes();
  return main_dtype(bytes);
}

void write_sidecars(Filesystem& filesystem, const Checkpoint& checkpoint,
                    const std::vector<OutputTensor>& tensors, const fs::path& folder) {
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    if (sidecar.name != "config.json") write_sidecar(filesystem, sidecar, folder);
  }
  if (!checkpoint.config().is_null()) {
    filesystem.write_text(folder / "config.json",
                          format_json(with_dtype(checkpoint.config(), main_dtype(tensors))));
  }
}

void write_index(Filesystem& filesystem, const OutputLayout& layout, const fs::path& folder) {
  if (!layout.index_name.empty())
    filesystem.write_text(folder / layout.index_name, layout.index_text);
}

Json describe_files(Filesystem& filesystem, const Checkpoint& checkpoint) {
  Json files = Json::array();
  for (const SourceFile& file : checkpoint.files()) {
    const auto status = filesystem.status(file.path);
    files.push_back({{"path", filesystem.canonical(file.path).string()},
                     {"size", file.size},
                     {"modified_ns", status ? status->modified_ns : 0}});
  }
  return files;
}

std::vector<fs::path> input_paths(Filesystem& filesystem, const Checkpoint& checkpoint) {
  std::set<fs::path> paths;
  for (const SourceFile& file : checkpoint.files()) paths.insert(file.path);
  // BASE+ADAPTER names two places.
  const auto add_folder = [&](const std::string& place) {
    if (filesystem.is_directory(place)) paths.insert(place);
  };
  std::string place = checkpoint.location();
  add_folder(place);
  for (auto plus = place.rfind('+'); plus != std::string::npos; plus = place.rfind('+')) {
    add_folder(place.substr(plus + 1));
    place.resize(plus);
    add_folder(place);
  }
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    const auto* path = std::get_if<fs::path>(&sidecar.content);
    if (path != nullptr && sidecar.name.find('/') == std::string::npos)
      paths.insert(path->parent_path());
  }
  return {paths.begin(), paths.end()};
}

void check_free_space(Filesystem& filesystem, const fs::path& destination, std::uint64_t bytes) {
  const std::uint64_t free = filesystem.free_bytes(destination);
  if (free >= bytes) return;
  throw environment_error(fmt::format(
      "{}: the output needs {}, but the disk has {} free; free some space or write elsewhere",
      destination.string(), format_bytes(bytes), format_bytes(free)));
}

}  // namespace expo
