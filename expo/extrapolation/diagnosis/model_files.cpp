#include "expo/extrapolation/diagnosis/model_files.h"

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

const Sidecar* find_sidecar(const Checkpoint& checkpoint, std::string_view name) {
  const auto& sidecars = checkpoint.sidecars();
  const auto found = std::ranges::find(sidecars, name, &Sidecar::name);
  return found == sidecars.end() ? nullptr : &*found;
}

bool has(const Checkpoint& checkpoint, std::string_view name) {
  return find_sidecar(checkpoint, name) != nullptr;
}

/// A sidecar's JSON; null if it is missing or malformed, because a broken sidecar must not keep
/// weights from being inspected.
Json sidecar_json(Filesystem& filesystem, const Checkpoint& checkpoint, std::string_view name) {
  try {
    const auto text = sidecar_text(filesystem, checkpoint, name);
    return text ? parse_json(*text, name) : Json();
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::input) return {};
    throw;
  }
}

std::optional<std::string> template_in(const Json& json) {
  if (!json.is_object() || !json.contains("chat_template")) return std::nullopt;
  const Json& value = json["chat_template"];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return std::nullopt;
  return value.dump();
}

ChatTemplates compare_templates(const std::optional<std::string>& sft,
                                const std::optional<std::string>& aligned) {
  if (!sft && !aligned) return ChatTemplates::neither;
  if (!aligned) return ChatTemplates::only_sft;
  if (!sft) return ChatTemplates::only_aligned;
  return *sft == *aligned ? ChatTemplates::same : ChatTemplates::different;
}

/// Whether a checkpoint has the files that may hold a template; without them nothing is known about
/// it.
bool has_tokenizer_files(const Checkpoint& checkpoint) {
  return has(checkpoint, "tokenizer_config.json") || has(checkpoint, "chat_template.jinja") ||
         has(checkpoint, "chat_template.json");
}

std::uint64_t incomparable_elements(const Checkpoint& sft, const Checkpoint& aligned) {
  std::uint64_t elements = 0;
  for (const Tensor& tensor : aligned.tensors()) {
    if (!is_floating(tensor.dtype)) continue;
    const auto other = sft.find(tensor.name);
    if (!other || sft.tensors()[*other].shape != tensor.shape) elements += tensor.elements();
  }
  return elements;
}

}  // namespace

std::optional<std::string> sidecar_text(Filesystem& filesystem, const Checkpoint& checkpoint,
                                        std::string_view name) {
  const Sidecar* sidecar = find_sidecar(checkpoint, name);
  if (!sidecar) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&sidecar->content)) return *text;
  return filesystem.read_text(std::get<std::filesystem::path>(sidecar->content));
}

std::optional<std::string> chat_template(Filesystem& filesystem, const Checkpoint& checkpoint) {
  if (has(checkpoint, "chat_template.jinja"))
    return sidecar_text(filesystem, checkpoint, "chat_template.jinja");
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (const auto found = template_in(sidecar_json(filesystem, checkpoint, name))) return found;
  }
  return std::nullopt;
}

std::optional<std::string> tokenizer_kind(Filesystem& filesystem, const Checkpoint& checkpoint) {
  if (has(checkpoint, "tokenizer.json")) {
    const Json json = sidecar_json(filesystem, checkpoint, "tokenizer.json");
    const Json model = json.is_object() && json.contains("model") ? json["model"] : Json();
    const bool named = model.is_object() && model.contains("type") && model["type"].is_string();
    return (named ? model["type"].get<std::string>() : "unknown kind") + " (tokenizer.json)";
  }
  for (const char* name : {"tokenizer.model", "spiece.model"}) {
    if (has(checkpoint, name)) return std::string("SentencePiece (") + name + ")";
  }
  if (has(checkpoint, "vocab.json") && has(checkpoint, "merges.txt"))
    return "BPE (vocab.json, merges.txt)";
  if (has(checkpoint, "vocab.txt")) return "WordPiece (vocab.txt)";
  return std::nullopt;
}

PairFacts pair_facts(Filesystem& filesystem, const Checkpoint& sft, const Checkpoint& aligned) {
  PairFacts facts;
  if (has_tokenizer_files(sft) && has_tokenizer_files(aligned)) {
    facts.chat_templates =
        compare_templates(chat_template(filesystem, sft), chat_template(filesystem, aligned));
  }
  facts.incomparable_elements = incomparable_elements(sft, aligned);
  facts.quantised = !sft.quantised_formats().empty() || !aligned.quantised_formats().empty();
  return facts;
}

}  // namespace expo
