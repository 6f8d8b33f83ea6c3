#include "expo/checkpoint/lora/surroundings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "expo/checkpoint/folder/sidecars.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/checkpoint/tied_head.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::array<std::string_view, 10> kTokenizerPrefixes{
    "tokenizer",     "special_tokens_map.",
    "added_tokens.", "vocab.",
    "merges.",       "chat_template",
    "spiece.",       "sentencepiece",
    "tekken.",       "additional_chat_templates/"};
/// Files that can hold a tokenizer's vocabulary.
constexpr std::array<std::string_view, 7> kVocabularies{
    "tokenizer.json", "tokenizer.model",        "vocab.json", "vocab.txt", "spiece.model",
    "tekken.json",    "sentencepiece.bpe.model"};

bool is_of_tokenizer(const std::string& name) {
  return std::ranges::any_of(kTokenizerPrefixes,
                             [&](std::string_view prefix) { return name.starts_with(prefix); }) ||
         name.ends_with(".tiktoken");
}

bool describes_base(const std::string& name) {
  return name == "config.json" || name == "generation_config.json";
}

bool has_tokenizer(const std::vector<Sidecar>& sidecars) {
  return std::ranges::any_of(sidecars, [](const Sidecar& sidecar) {
    return std::ranges::find(kVocabularies, sidecar.name) != kVocabularies.end() ||
           sidecar.name.ends_with(".tiktoken");
  });
}

bool holds(const std::vector<Sidecar>& sidecars, const std::string& name) {
  return std::ranges::find(sidecars, name, &Sidecar::name) != sidecars.end();
}

/// The name of a model in a path or an id, in lower case: its last part, or the name of the
/// repository in the Hugging Face cache.
std::string model_name(const std::string& reference) {
  const std::filesystem::path path(reference);
  std::string name;
  for (const auto& part : path) {
    if (const auto id = hub_id_of_repository(part.string())) return model_name(*id);
    if (!part.empty() && part != "." && part != "/") name = part.string();
  }
  return lower_case(name);
}

bool names_another_model(const std::string& wanted, const Checkpoint& base) {
  std::vector<std::string> names{model_name(base.model_id()), model_name(base.location())};
  const Json& config = base.config();
  if (config.is_object() && config.contains("_name_or_path") &&
      config["_name_or_path"].is_string()) {
    names.push_back(model_name(config["_name_or_path"].get<std::string>()));
  }
  return !wanted.empty() && std::ranges::find(names, wanted) == names.end();
}

}  // namespace

LoraSurroundings lora_surroundings(Filesystem& filesystem, const Checkpoint& base,
                                   const std::filesystem::path& weights, bool untie) {
  LoraSurroundings result;
  result.config = untie ? untied(base.config()) : base.config();
  const std::filesystem::path folder = weights.parent_path();
  std::vector<Sidecar> own =
      list_sidecars(filesystem, folder, LinkScope(filesystem, folder, weights), result.warnings);
  std::erase_if(own, [](const Sidecar& sidecar) { return describes_base(sidecar.name); });
  const bool tokenizer = has_tokenizer(own);
  for (const Sidecar& sidecar : base.sidecars()) {
    const bool replaced = holds(own, sidecar.name) || (tokenizer && is_of_tokenizer(sidecar.name));
    if (!replaced) result.sidecars.push_back(sidecar);
  }
  result.sidecars.insert(result.sidecars.end(), own.begin(), own.end());
  std::ranges::sort(result.sidecars, {}, &Sidecar::name);
  for (Sidecar& sidecar : result.sidecars) {
    if (untie && sidecar.name == "config.json") sidecar.content = format_json(result.config);
  }
  return result;
}

std::vector<std::string> base_warnings(const AdapterWeights& adapter, const Checkpoint& base) {
  std::vector<std::string> warnings;
  if (names_another_model(model_name(adapter.config.base_model), base)) {
    warnings.push_back(
        fmt::format("{}: the adapter was trained over \"{}\", but {} has another name; if it "
                    "is not the same model, the sum is meaningless",
                    adapter.config_path.string(), adapter.config.base_model, base.location()));
  }
  if (!base.quantised_formats().empty()) {
    warnings.push_back(fmt::format(
        "{}: the base is quantised ({}), but the adapter may have been trained over its full "
        "precision; the sum inherits the base's quantisation noise",
        adapter.where(), fmt::join(base.quantised_formats(), ", ")));
  }
  return warnings;
}

}  // namespace expo
