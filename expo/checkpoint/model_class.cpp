#include "expo/checkpoint/model_class.h"

#include <array>
#include <string>
#include <string_view>

namespace expo {
namespace {

constexpr std::string_view kClassifier = "ForSequenceClassification";
constexpr std::array<std::string_view, 2> kLanguageModels{"ForCausalLM", "LMHeadModel"};

}  // namespace

std::optional<std::string> declared_architecture(const Json& config) {
  if (!config.is_object()) return std::nullopt;
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array() || names->empty()) return std::nullopt;
  return names->front().is_string() ? std::optional(names->front().get<std::string>())
                                    : std::nullopt;
}

std::optional<std::string> classifier_of(std::string architecture) {
  for (const std::string_view end : kLanguageModels) {
    if (!architecture.ends_with(end)) continue;
    architecture.resize(architecture.size() - end.size());
    return architecture.append(kClassifier);
  }
  return std::nullopt;
}

std::optional<Json> classifier_config(const Json& config, std::uint64_t labels) {
  const auto architecture = declared_architecture(config);
  if (!architecture) return std::nullopt;
  if (architecture->ends_with(kClassifier)) return config;
  const auto classifier = classifier_of(*architecture);
  if (!classifier) return std::nullopt;
  Json result = config;
  result["architectures"] = Json::array({*classifier});
  result["id2label"] = Json::object();
  result["label2id"] = Json::object();
  for (std::uint64_t label = 0; label < labels; ++label) {
    const std::string name = "LABEL_" + std::to_string(label);
    result["id2label"][std::to_string(label)] = name;
    result["label2id"][name] = label;
  }
  return result;
}

}  // namespace expo
