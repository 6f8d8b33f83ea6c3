#include "expo/checkpoint/lora/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// Far beyond the rank of any matrix that is trained today.
constexpr std::uint64_t kLargestRank = 65'536;
constexpr std::size_t kMostPatterns = 100'000;
constexpr std::size_t kLargestPattern = 2'000;

/// Keys that record where an adapter comes from, or how its training was set up, but do not affect
/// the result.
constexpr std::array<std::string_view, 22> kInformation{
    "peft_type",         "peft_version",
    "auto_mapping",      "revision",
    "task_type",         "inference_mode",
    "target_modules",    "exclude_modules",
    "lora_dropout",      "layers_to_transform",
    "layers_pattern",    "megatron_core",
    "loftq_config",      "eva_config",
    "corda_config",      "lora_ga_config",
    "runtime_config",    "qalora_group_size",
    "init_lora_weights", "bias",
    "merge_weights",     "base_model_name_or_path"};
constexpr std::array<std::string_view, 8> kRead{"r",
                                                "lora_alpha",
                                                "use_rslora",
                                                "fan_in_fan_out",
                                                "ensure_weight_tying",
                                                "rank_pattern",
                                                "alpha_pattern",
                                                "modules_to_save"};

struct Refusal {
  std::string_view key;
  std::string_view reason;
};
constexpr std::array<Refusal, 14> kRefusals{{
    {"use_dora", "DoRA rescales the columns of the merged weights"},
    {"lora_bias", "B then has a bias, which changes the biases of the model"},
    {"layer_replication", "the trained model has more layers than the base"},
    {"use_qalora", "QALoRA pools the inputs of A"},
    {"use_bdlora", "BD-LoRA stores A and B as blocks"},
    {"alora_invocation_tokens", "aLoRA acts on some tokens only, which no merged weight can"},
    {"arrow_config", "Arrow chooses among adapters by the input, which no merged weight can"},
    {"kasa_config", "KaSA truncates the base weights and puts a diagonal between B and A"},
    {"monteclora_config", "MonteCLoRA samples the adapter's weights"},
    {"velora_config", "VeLoRA is a variant that is not supported"},
    {"megatron_config", "the names and shards of Megatron's layers are not those of the base"},
    {"trainable_token_indices", "single rows of the embedding were trained as well"},
    {"target_parameters", "parameters without a module of their own were adapted"},
    {"enable_lora", "some parts of a joined matrix were left out"},
}};

/// Whether a value is null, false, 0, "" or an empty list or object, which are the ways to switch
/// something off.
bool is_off(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_structured()) return value.empty();
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_number() && value.get<double>() == 0;
}

/// A value as text for a message.
std::string shown(const Json& value) {
  return cut_to(value.dump(-1, ' ', true, Json::error_handler_t::replace), 60);
}

class Reader {
 public:
  Reader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  LoraConfig read() {
    check_type();
    refuse_variants();
    refuse_bias();
    refuse_initialisation();
    LoraConfig config;
    config.rank = rank(required("r"), "r");
    config.alpha = finite(required("lora_alpha"), "lora_alpha");
    config.rank_stabilised = flag("use_rslora");
    config.fan_in_fan_out = flag("fan_in_fan_out");
    config.ensure_weight_tying = flag("ensure_weight_tying");
    read_patterns("rank_pattern", config.rank_pattern,
                  [&](const Json& value, const std::string& key) { return rank(value, key); });
    read_patterns("alpha_pattern", config.alpha_pattern,
                  [&](const Json& value, const std::string& key) { return finite(value, key); });
    config.modules_to_save = names("modules_to_save");
    config.base_model = text("base_model_name_or_path");
    config.task = text("task_type");
    check_unknown(config);
    return config;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw input_error(where_ + ": " + reason);
  }

  const Json& at(std::string_view key) const {
    static const Json null;
    const auto found = json_.find(key);
    return found == json_.end() ? null : *found;
  }

  const Json& required(const std::string& key) const {
    if (!json_.contains(key)) {
      refuse(
          fmt::format("\"{}\" is missing; expected the configuration of a LoRA adapter as PEFT "
                      "writes it",
                      key));
    }
    return at(key);
  }

  void check_type() const {
    if (!json_.is_object()) refuse("is not a JSON object; the file is damaged");
    const Json& type = required("peft_type");
    if (!type.is_string() || type != "LORA") {
      refuse(
          fmt::format("peft_type is {}, but only adapters of type \"LORA\" are supported; "
                      "merge it with PEFT (merge_and_unload) and use the merged model",
                      shown(type)));
    }
  }

  void refuse_variants() const {
    for (const auto& [key, reason] : kRefusals) {
      if (is_off(at(key))) continue;
      refuse(
          fmt::format("{} is {}: {}; if PEFT can merge the adapter, merge it "
                      "(merge_and_unload) and use the merged model",
                      key, shown(at(key)), reason));
    }
  }

  void refuse_bias() const {
    const Json& bias = at("bias");
    if (bias.is_null() || bias == "none") return;
    refuse(
        fmt::format("bias is {}: biases of the model were trained as well; merge the adapter "
                    "with PEFT (merge_and_unload) and use the merged model",
                    shown(bias)));
  }

  void refuse_initialisation() const {
    const Json& init = at("init_lora_weights");
    if (init.is_null() || init.is_boolean()) return;
    if (init == "gaussian" || init == "eva" || init == "orthogonal") return;
    refuse(fmt::format(
        "init_lora_weights is {}, which may change the base weights before the training, so that "
        "the adapter does not fit the base as it is; save it with "
        "path_initial_model_for_weight_conversion, as PEFT describes, or use the merged model",
        shown(init)));
  }

  std::uint64_t rank(const Json& value, const std::string& key) const {
    if (!value.is_number_unsigned() || value == 0 || value.get<std::uint64_t>() > kLargestRank) {
      refuse(
          fmt::format("{} is {}; expected a rank from 1 to {}", key, shown(value), kLargestRank));
    }
    return value.get<std::uint64_t>();
  }

  double finite(const Json& value, const std::string& key) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      refuse(fmt::format("{} is {}; expected a number", key, shown(value)));
    }
    return value.get<double>();
  }

  bool flag(const std::string& key) const {
    const Json& value = at(key);
    if (value.is_null()) return false;
    if (!value.is_boolean()) {
      refuse(fmt::format("{} is {}; expected true or false", key, shown(value)));
    }
    return value.get<bool>();
  }

  std::string text(const std::string& key) const {
    const Json& value = at(key);
    if (value.is_null()) return {};
    if (!value.is_string()) refuse(fmt::format("{} is {}; expected a string", key, shown(value)));
    return value.get<std::string>();
  }

  std::vector<std::string> names(const std::string& key) const {
    const Json& value = at(key);
    if (value.is_null()) return {};
    const auto is_name = [](const Json& name) {
      return name.is_string() && !name.get_ref<const std::string&>().empty();
    };
    if (!value.is_array() || !std::ranges::all_of(value, is_name)) {
      refuse(fmt::format("{} is {}; expected a list of module names", key, shown(value)));
    }
    return value.get<std::vector<std::string>>();
  }

  template <typename Value>
  void read_patterns(const std::string& key, std::vector<std::pair<ModulePattern, Value>>& patterns,
                     auto convert) {
    const Json& value = at(key);
    if (value.is_null()) return;
    if (!value.is_object() || value.size() > kMostPatterns) {
      refuse(fmt::format("{} is {}; expected an object of at most {} patterns", key, shown(value),
                         kMostPatterns));
    }
    for (const auto& [pattern, entry] : value.items()) {
      if (pattern.size() > kLargestPattern) {
        refuse(fmt::format("{}: a pattern is longer than {} bytes", key, kLargestPattern));
      }
      patterns.emplace_back(ModulePattern(pattern, where_ + ": " + key, budget_),
                            convert(entry, fmt::format("{} of \"{}\"", key, pattern)));
    }
  }

  void check_unknown(LoraConfig& config) const {
    for (const auto& [key, value] : json_.items()) {
      const bool known =
          std::ranges::find(kInformation, key) != kInformation.end() ||
          std::ranges::find(kRead, key) != kRead.end() ||
          std::ranges::find(kRefusals, std::string_view(key), &Refusal::key) != kRefusals.end();
      if (known || is_off(value)) continue;
      if (value.is_structured() || value.is_boolean()) {
        refuse(
            fmt::format("\"{}\" is {}, an unknown setting that may change what the "
                        "adapter does; merge it with PEFT (merge_and_unload) and use the "
                        "merged model, or remove the key if it has no such effect",
                        key, shown(value)));
      }
      config.warnings.push_back(
          fmt::format("{}: \"{}\" is an unknown setting; it "
                      "was ignored",
                      where_, key));
    }
  }

  const Json& json_;
  const std::string& where_;
  ModulePattern::Budget budget_;
};

template <typename Value>
Value first_match(const std::vector<std::pair<ModulePattern, Value>>& patterns,
                  std::string_view module, Value otherwise) {
  for (const auto& [pattern, value] : patterns) {
    if (pattern.matches(module)) return value;
  }
  return otherwise;
}

}  // namespace

std::uint64_t LoraConfig::rank_of(std::string_view module) const {
  return first_match(rank_pattern, module, rank);
}

double LoraConfig::scale_of(std::string_view module) const {
  const auto module_rank = static_cast<double>(rank_of(module));
  return first_match(alpha_pattern, module, alpha) /
         (rank_stabilised ? std::sqrt(module_rank) : module_rank);
}

bool LoraConfig::saves(std::string_view module) const {
  while (true) {
    const auto named = [&](const std::string& name) { return module.ends_with(name); };
    if (std::ranges::any_of(modules_to_save, named)) return true;
    const std::size_t dot = module.rfind('.');
    if (dot == module.npos) return false;
    module = module.substr(0, dot);
  }
}

LoraConfig parse_lora_config(std::string_view text, const std::string& where) {
  return Reader(parse_json(text, where), where).read();
}

}  // namespace expo
