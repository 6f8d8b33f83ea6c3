#include "expo/checkpoint/folder/weight_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

using Path = std::filesystem::path;
using Names = std::vector<std::string>;

constexpr std::string_view kIndex = ".index.json";
constexpr std::array<std::string_view, 6> kNotTheModel{
    "adapter_model.", "consolidated.", "optimizer", "scheduler", "training_args.", "rng_state"};

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Whether a file is one of several shards: the stem "model-00002-of-00003" of
/// "model-00002-of-00003.safetensors" is one.
bool is_shard(std::string_view name) {
  const std::string_view stem = name.substr(0, name.rfind('.'));
  const std::size_t of = stem.rfind("-of-");
  if (of == stem.npos || !all_digits(stem.substr(of + 4))) return false;
  const std::size_t dash = stem.rfind('-', of - 1);
  const bool numbered = dash != stem.npos && all_digits(stem.substr(dash + 1, of - dash - 1));
  return numbered && stem.substr(of + 4).find_first_not_of('0') != stem.npos &&
         stem.substr(of + 4 + stem.substr(of + 4).find_first_not_of('0')) != "1";
}

bool is_of_the_model(const std::string& name) {
  return std::ranges::none_of(kNotTheModel,
                              [&](std::string_view prefix) { return name.starts_with(prefix); });
}

Names files_of(Filesystem& filesystem, const Path& folder) {
  Names names = filesystem.list(folder);
  std::erase_if(names, [&](const std::string& name) {
    if (!is_weight_file(name) || !is_of_the_model(name)) return true;
    const auto status =
        filesystem.status(folder / name);  // no status: a link to a blob that is gone
    return !status || status->is_directory;
  });
  return names;
}

Names ending(const Names& names, std::string_view suffix) {
  Names result;
  std::ranges::copy_if(names, std::back_inserter(result),
                       [&](const std::string& name) { return lower_case(name).ends_with(suffix); });
  return result;
}

bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

[[noreturn]] void refuse_several(const Path& folder, const Names& names, const std::string& what) {
  throw input_error(fmt::format("{}: holds several {} ({}); give the path of the one to use",
                                folder.string(), what, fmt::join(names, ", ")));
}

/// Chooses between the well-known names of an index and of a single file.
std::optional<WeightChoice> choose_named(const Path& folder, const Names& names,
                                         const std::string& single, WeightFormat format) {
  const std::string index = single + std::string(kIndex);
  if (!contains(names, single)) {
    if (!contains(names, index)) return std::nullopt;
    return WeightChoice{format, folder / index, true, {}};
  }
  WeightChoice choice{format, folder / single, false, {}};
  if (contains(names, index)) {
    choice.warnings.push_back(
        fmt::format("{} holds both {} and {}; the single file was taken, as transformers does",
                    folder.string(), single, index));
  }
  return choice;
}

std::optional<WeightChoice> choose_other_safetensors(const Path& folder, const Names& names) {
  const Names indexes = ending(names, ".safetensors.index.json");
  if (indexes.size() > 1) refuse_several(folder, indexes, "safetensors indexes");
  if (indexes.size() == 1) {
    return WeightChoice{WeightFormat::safetensors, folder / indexes.front(), true, {}};
  }
  const Names files = ending(names, ".safetensors");
  if (std::ranges::any_of(files, is_shard)) {
    throw input_error(
        fmt::format("{}: holds shards ({} and so on) but not their index, "
                    "model.safetensors.index.json; perhaps "
                    "the download is incomplete",
                    folder.string(), *std::ranges::find_if(files, is_shard)));
  }
  if (files.size() > 1) refuse_several(folder, files, "safetensors files");
  if (files.empty()) return std::nullopt;
  return WeightChoice{WeightFormat::safetensors, folder / files.front(), false, {}};
}

std::string split_gguf_message(const std::string& file) {
  return file +
         ": is one part of a split GGUF, which is not supported; join the parts with "
         "`llama-gguf-split "
         "--merge`";
}

std::optional<WeightChoice> choose_gguf(const Path& folder, const Names& names) {
  const Names files = ending(names, ".gguf");
  if (files.empty()) return std::nullopt;
  if (const auto part = std::ranges::find_if(files, is_shard); part != files.end()) {
    throw input_error(split_gguf_message((folder / *part).string()));
  }
  if (files.size() > 1) refuse_several(folder, files, "GGUF files");
  return WeightChoice{WeightFormat::gguf, folder / files.front(), false, {}};
}

}  // namespace

bool is_weight_file(std::string_view name) {
  const std::string small = lower_case(name);
  const std::string_view stem =
      small.ends_with(kIndex) ? std::string_view(small).substr(0, small.size() - kIndex.size())
                              : std::string_view(small);
  return stem.ends_with(".safetensors") || stem.ends_with(".bin") || stem.ends_with(".gguf") ||
         stem.ends_with(".pt") || stem.ends_with(".pth");
}

std::optional<WeightChoice> choose_weights(Filesystem& filesystem, const Path& folder) {
  const Names names = files_of(filesystem, folder);
  if (auto choice = choose_named(folder, names, "model.safetensors", WeightFormat::safetensors)) {
    return choice;
  }
  if (auto choice = choose_other_safetensors(folder, names)) return choice;
  if (auto choice = choose_named(folder, names, "pytorch_model.bin", WeightFormat::torch)) {
    return choice;
  }
  return choose_gguf(folder, names);
}

std::string describe_weightless(Filesystem& filesystem, const Path& folder) {
  Names names = filesystem.list(folder);
  const std::size_t count = names.size();
  if (count > 8) names.resize(8);
  const std::string held = count == 0 ? "the folder is empty"
                                      : fmt::format("there is only {}{}", fmt::join(names, ", "),
                                                    count > 8 ? ", …" : "");
  return fmt::format(
      "{}: holds no weights: looked for model.safetensors.index.json, model.safetensors, another "
      "*.safetensors, pytorch_model.bin.index.json, pytorch_model.bin and *.gguf, but {}",
      folder.string(), held);
}

WeightChoice weights_named(const Path& file) {
  const std::string name = lower_case(file.filename().string());
  const bool is_index = name.ends_with(kIndex);
  if (name.starts_with("adapter_model.")) {
    throw input_error(file.string() +
                      ": is an adapter's file; give the adapter's folder, as in BASE+ADAPTER");
  }
  if (!is_index && is_shard(name)) {
    if (name.ends_with(".gguf")) throw input_error(split_gguf_message(file.string()));
    throw input_error(file.string() +
                      ": is one shard of several; give the folder or the index (*.index.json)");
  }
  const std::string stem = is_index ? name.substr(0, name.size() - kIndex.size()) : name;
  const std::string extension = Path(stem).extension().string();
  if (extension == ".safetensors") return {WeightFormat::safetensors, file, is_index, {}};
  if (extension == ".bin" || (!is_index && (extension == ".pt" || extension == ".pth"))) {
    return {WeightFormat::torch, file, is_index, {}};
  }
  if (extension == ".gguf" && !is_index) return {WeightFormat::gguf, file, false, {}};
  throw input_error(
      file.string() +
      ": is not a weight file by its name; expected .safetensors, .bin, .pt, .pth, .gguf or "
      "an index (.safetensors.index.json, .bin.index.json)");
}

}  // namespace expo
