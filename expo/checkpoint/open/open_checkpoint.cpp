#include "expo/checkpoint/open/open_checkpoint.h"

#include <fmt/format.h>

#include "expo/checkpoint/folder/links.h"
#include "expo/checkpoint/folder/sidecars.h"
#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/gguf/checkpoint.h"
#include "expo/checkpoint/hub/completeness.h"
#include "expo/checkpoint/lora/adapter.h"
#include "expo/checkpoint/open/model_reference.h"
#include "expo/checkpoint/quantization.h"
#include "expo/checkpoint/safetensors/checkpoint.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;
using Shared = std::shared_ptr<const Checkpoint>;

constexpr std::uint64_t kLargestConfig = std::uint64_t{16} << 20;

Json read_object(Filesystem& filesystem, const Path& file) {
  Json result = parse_json(filesystem.read_text(file, kLargestConfig), file.string());
  if (!result.is_object()) {
    throw input_error(file.string() + ": is not a JSON object; the file is damaged");
  }
  return result;
}

/// The files of a choice; a GGUF is a single one.
WeightFiles find_files(Filesystem& filesystem, const WeightChoice& choice) {
  if (choice.is_index) return read_weight_index(filesystem, choice.file);
  WeightFiles files;
  files.files.push_back(choice.file);
  return files;
}

std::unique_ptr<Checkpoint> open_weights(Filesystem& filesystem, const WeightChoice& choice,
                                         const WeightFiles& files, const OpenOptions& options) {
  if (choice.format == WeightFormat::gguf) {
    return open_gguf(filesystem, choice.file,
                     options.native_gguf_names ? GgufNames::native : GgufNames::hugging_face);
  }
  return choice.format == WeightFormat::safetensors ? open_safetensors(filesystem, files)
                                                    : open_torch(filesystem, files);
}

/// Opens chosen weights with their config.json and sidecars in `folder`.
class Opening {
 public:
  Opening(Filesystem& filesystem, const OpenOptions& options, const ModelLocation& location)
      : filesystem_(filesystem), options_(options), location_(location) {
    if (location.snapshot) surroundings_.model_id = location.snapshot->model_id;
    surroundings_.location = location.path.string();
  }

  Shared open_folder() {
    const auto choice = choose_in_folder();
    if (location_.snapshot) {
      surroundings_.warnings = check_snapshot(filesystem_, *location_.snapshot, choice);
    } else if (!choice) {
      throw input_error(describe_weightless(filesystem_, location_.path));
    }
    return open(*choice, location_.path, true);
  }

  Shared open_file() {
    const WeightChoice choice = weights_named(location_.path);
    const Path folder = choice.file.has_parent_path() ? choice.file.parent_path() : Path(".");
    if (location_.snapshot && choice.is_index) {
      surroundings_.warnings = check_snapshot(filesystem_, *location_.snapshot, choice);
    }
    return open(choice, folder, filesystem_.exists(folder / "config.json"));
  }

 private:
  /// In a snapshot, shards without their index are another sign of a partial download.
  std::optional<WeightChoice> choose_in_folder() {
    try {
      return choose_weights(filesystem_, location_.path);
    } catch (const Error& error) {
      if (!location_.snapshot) throw;
      throw Error(error.category(), fmt::format("{} (`{}` fetches all of it)", error.what(),
                                                download_command(*location_.snapshot)));
    }
  }

  Shared open(const WeightChoice& choice, const Path& folder, bool take_folder) {
    const bool is_gguf = choice.format == WeightFormat::gguf;
    const WeightFiles files = find_files(filesystem_, choice);
    if (take_folder && !is_gguf) {
      take_surroundings(folder, LinkScope(filesystem_, folder, choice.file, shards_of(files)));
    }
    std::shared_ptr<Checkpoint> checkpoint = open_weights(filesystem_, choice, files, options_);
    if (is_gguf) {
      surroundings_.config = checkpoint->config();
      surroundings_.sidecars = checkpoint->sidecars();
    }
    refuse_quantised_tensors(*checkpoint, location_.path.string());
    for (const SourceFile& file : checkpoint->files()) {
      surroundings_.sha256.push_back(cached_sha256(filesystem_, file.path));
    }
    surroundings_.warnings.insert(surroundings_.warnings.begin(), choice.warnings.begin(),
                                  choice.warnings.end());
    checkpoint->set_surroundings(std::move(surroundings_));
    return checkpoint;
  }

  static std::span<const Path> shards_of(const WeightFiles& files) {
    if (files.index.empty()) return {};
    return files.files;
  }

  /// This comes before the weights are opened, so that a quantised checkpoint is refused as such
  /// and not for the strange tensors in it.
  void take_surroundings(const Path& folder, const LinkScope& scope) {
    const Path config = folder / "config.json";
    surroundings_.sidecars = list_sidecars(filesystem_, folder, scope, surroundings_.warnings);
    if (filesystem_.exists(config) && !scope.way_out(config)) {
      surroundings_.config = read_object(filesystem_, config);
      refuse_quantised_config(surroundings_.config, config.string());
    }
  }

  Filesystem& filesystem_;
  const OpenOptions& options_;
  const ModelLocation& location_;
  Checkpoint::Surroundings surroundings_;
};

/// An adapter's folder may hold the merged model as well; then it is ambiguous which one is meant.
bool is_adapter(Filesystem& filesystem, const ModelLocation& location) {
  if (!location.is_folder || !is_adapter_folder(filesystem, location.path)) return false;
  bool has_update = false;
  for (const std::string& name : filesystem.list(location.path)) {
    if (name.starts_with("adapter_model.")) has_update = true;
  }
  const bool has_weights = choose_weights(filesystem, location.path).has_value();
  if (has_update && has_weights) {
    throw input_error(
        location.path.string() +
        ": holds both an adapter (adapter_config.json) and a model's weights; give the path of the "
        "weights' file, or move the adapter to a folder of its own");
  }
  return has_update || !has_weights;
}

/// The base model that the adapter's training recorded, for the advice.
std::string base_of_adapter(Filesystem& filesystem, const Path& folder) {
  const Json config = read_object(filesystem, folder / "adapter_config.json");
  const auto base = config.find("base_model_name_or_path");
  const bool named =
      base != config.end() && base->is_string() && !base->get_ref<const std::string&>().empty();
  return named ? base->get<std::string>() : "BASE";
}

Shared apply_adapter(Filesystem& filesystem, Shared base, const ModelLocation& location) {
  if (location.snapshot) check_adapter_snapshot(filesystem, *location.snapshot);
  return apply_lora(filesystem, std::move(base), location.path);
}

Shared open_base(Filesystem& filesystem, const ModelLocation& location,
                 const OpenOptions& options) {
  if (is_adapter(filesystem, location)) {
    if (!options.adapter_base) {
      const std::string folder = location.path.string();
      throw input_error(fmt::format(
          "{}: is an adapter, which is not a model by itself; write BASE+ADAPTER, such as {}+{}",
          folder, base_of_adapter(filesystem, location.path), folder));
    }
    return apply_adapter(filesystem, options.adapter_base, location);
  }
  Opening opening(filesystem, options, location);
  return location.is_folder ? opening.open_folder() : opening.open_file();
}

Shared add_adapter(Filesystem& filesystem, Shared base, const ModelLocation& location) {
  if (!location.is_folder || !is_adapter_folder(filesystem, location.path)) {
    throw input_error(fmt::format(
        "{}: is not the folder of a PEFT adapter (it has no adapter_config.json), but the part "
        "after the '+' of BASE+ADAPTER must be one",
        location.path.string()));
  }
  return apply_adapter(filesystem, std::move(base), location);
}

}  // namespace

Shared open_checkpoint(Filesystem& filesystem, const std::string& reference,
                       const OpenOptions& options, const Environment& environment) {
  std::vector<ModelLocation> locations;
  for (const std::string& part : split_reference(filesystem, reference)) {
    locations.push_back(locate_model(filesystem, part, environment));
  }
  Shared result = open_base(filesystem, locations.front(), options);
  for (std::size_t i = 1; i < locations.size(); ++i) {
    result = add_adapter(filesystem, std::move(result), locations[i]);
  }
  return result;
}

}  // namespace expo
