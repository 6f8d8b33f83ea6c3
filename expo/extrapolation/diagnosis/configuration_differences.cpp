#include "expo/extrapolation/diagnosis/configuration_differences.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace expo {
namespace {

/// Fields that change no logit.
constexpr std::array<std::string_view, 25> kOtherFields = {"_attn_implementation",
                                                           "_name_or_path",
                                                           "architectures",
                                                           "attention_dropout",
                                                           "attn_pdrop",
                                                           "bos_token_id",
                                                           "dropout",
                                                           "dtype",
                                                           "embd_pdrop",
                                                           "eos_token_id",
                                                           "hidden_dropout",
                                                           "id2label",
                                                           "initializer_range",
                                                           "label2id",
                                                           "output_attentions",
                                                           "output_hidden_states",
                                                           "output_router_logits",
                                                           "pad_token_id",
                                                           "resid_pdrop",
                                                           "router_aux_loss_coef",
                                                           "tokenizer_class",
                                                           "torch_dtype",
                                                           "transformers_version",
                                                           "unsloth_version",
                                                           "use_cache"};

/// Fields that switch something on, which is off where they are null, false or not there.
constexpr std::array<std::string_view, 10> kSwitches = {"attention_bias",
                                                        "attn_logit_softcapping",
                                                        "final_logit_softcapping",
                                                        "logit_scale",
                                                        "mlp_bias",
                                                        "rope_scaling",
                                                        "sliding_window",
                                                        "tie_word_embeddings",
                                                        "use_sliding_window",
                                                        "query_pre_attn_scalar"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& fields, const std::string& field) {
  return std::ranges::find(fields, field) != fields.end();
}

/// Null where it is not there.
Json value_of(const Json& config, const std::string& field) {
  const auto found = config.find(field);
  return found == config.end() ? Json() : *found;
}

/// With what is off as null.
Json switch_of(const Json& config, const std::string& field) {
  Json value = value_of(config, field);
  return value == false ? Json() : value;
}

bool scales_rotations(const Json& config) {
  return !value_of(config, "rope_scaling").is_null();
}

bool differs(const Json& sft, const Json& model, const std::string& field) {
  if (holds(kOtherFields, field)) return false;
  if (holds(kSwitches, field)) return switch_of(sft, field) != switch_of(model, field);
  // The length says how far rotations are scaled, and else only how far they were tried.
  if (field == "max_position_embeddings" && !scales_rotations(sft) && !scales_rotations(model))
    return false;
  const Json one = value_of(sft, field);
  const Json other = value_of(model, field);
  return !one.is_null() && !other.is_null() && one != other;
}

std::string in_words(const Json& value) {
  return value.is_null() ? "not there" : compact_json(value);
}

}  // namespace

std::vector<std::string> configuration_differences(const Checkpoint& sft, const Checkpoint& model) {
  std::vector<std::string> differences;
  if (!sft.config().is_object() || !model.config().is_object()) return differences;
  std::set<std::string> fields;
  for (const Checkpoint* each : {&sft, &model}) {
    for (const auto& item : each->config().items()) fields.insert(item.key());
  }
  for (const std::string& field : fields) {
    if (!differs(sft.config(), model.config(), field)) continue;
    differences.push_back(fmt::format("{} is {}, and {} in SFT", field,
                                      in_words(value_of(model.config(), field)),
                                      in_words(value_of(sft.config(), field))));
  }
  return differences;
}

}  // namespace expo
