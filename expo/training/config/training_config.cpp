#include "expo/training/config/training_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "expo/core/error.h"
#include "expo/core/yaml_document.h"
#include "expo/training/config/keys.h"
#include "expo/training/config/unknown_key.h"
#include "expo/training/ops/bf16_product.h"

namespace expo {
namespace {

const ConfigKey* find_key(const std::string& name) {
  const auto found = std::ranges::find(config_keys(), name, &ConfigKey::name);
  return found == config_keys().end() ? nullptr : &*found;
}

std::string describe_unknown(const std::string& name, const std::string& where) {
  const std::string advice = advice_on_key(name);
  return fmt::format("{}: the key \"{}\" is not known{}", where, name,
                     advice.empty() ? "; see expo train --help" : ": " + advice);
}

/// A scalar, or a list of scalars joined by commas.
std::string text_of(const YamlValue& value, const std::string& where, const std::string& key) {
  if (value.kind == YamlValue::Kind::scalar) return value.scalar;
  std::string joined;
  const auto refuse = [&] {
    throw usage_error(
        fmt::format("{}:{}: {} is neither a value nor a list of values", where, value.line, key));
  };
  if (value.kind != YamlValue::Kind::sequence) refuse();
  for (const auto& item : value.items) {
    if (item->kind != YamlValue::Kind::scalar) refuse();
    joined += (joined.empty() ? "" : ",") + item->scalar;
  }
  return joined;
}

bool is_given(const TrainingConfig& config, const char* name) {
  return std::ranges::count(config.given, name) > 0;
}

/// Whether a key was set, and the other one was not or was set before it.
bool comes_last(const TrainingConfig& config, const char* name, const char* other) {
  const auto last =
      std::find_if(config.given.rbegin(), config.given.rend(),
                   [&](const std::string& key) { return key == name || key == other; });
  return last != config.given.rend() && *last == name;
}

void refuse_if(bool wrong, const std::string& what) {
  if (wrong) throw usage_error("train: " + what);
}

void check_sizes(const TrainingConfig& config) {
  refuse_if(!(config.fraction > 0 && config.fraction <= 1),
            fmt::format("fraction is {}, but a number above 0 and at most 1 is expected",
                        config.fraction));
  refuse_if(config.max_length < 2, "max_length must be at least 2");
  refuse_if(
      config.method == TrainingMethod::dpo &&
          (config.max_prompt_length < 1 || config.max_prompt_length >= config.max_length),
      fmt::format("max_prompt_length is {}, but it must be at least 1 and below max_length ({}), "
                  "or nothing would be left for answers",
                  config.max_prompt_length, config.max_length));
  for (const auto& [name, value] :
       {std::pair("per_device_train_batch_size", config.per_device_train_batch_size),
        std::pair("gradient_accumulation_steps", config.gradient_accumulation_steps),
        std::pair("tokens_per_pass", config.tokens_per_pass)})
    refuse_if(value < 1, fmt::format("{} is {}, but it must be at least 1", name, value));
  refuse_if(
      config.max_steps < 0 || config.warmup_steps < 0 || config.eval_steps < 0 ||
          config.save_steps < 0 || config.save_total_limit < 0,
      "max_steps, warmup_steps, eval_steps, save_steps and save_total_limit must not be negative");
  refuse_if(!(config.num_train_epochs > 0), "num_train_epochs must be above 0");
  refuse_if(!(config.ddp_timeout >= 1 && config.ddp_timeout <= 1e8),
            "ddp_timeout must be from 1 to 100000000 seconds");
}

/// Limits that no run comes near and that keep arithmetic on sizes from overflowing.
void check_limits(const TrainingConfig& config) {
  constexpr std::int64_t kMost = 1'000'000;
  refuse_if(config.per_device_train_batch_size > kMost ||
                config.gradient_accumulation_steps > kMost || config.max_length > 100 * kMost,
            "per_device_train_batch_size and gradient_accumulation_steps must be at most 1000000, "
            "max_length at most 100000000");
  refuse_if(config.num_train_epochs > kMost || config.max_steps > 1000 * kMost,
            "num_train_epochs must be at most 1000000, max_steps at most 1000000000");
  refuse_if(config.lora.rank > 65536, "lora_r must be at most 65536");
  refuse_if(config.threads > 4096, "threads must be at most 4096");
}

/// A key without effect is refused, because it is most likely an error in the configuration.
void check_meaning(const TrainingConfig& config) {
  const auto refuse_given = [&](const char* name, bool wrong, const char* why) {
    refuse_if(wrong && is_given(config, name), fmt::format("{} {}; leave it out", name, why));
  };
  for (const char* name :
       {"lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora"})
    refuse_given(name, !config.use_peft && !is_given(config, "use_peft"),
                 "has no effect without use_peft");
  for (const char* name : {"dataset_test_split", "eval_steps"})
    refuse_given(name, config.eval_dataset_name.empty(), "has no effect without eval_dataset_name");
  refuse_given("save_total_limit", config.save_steps == 0, "has no effect without save_steps");
  const bool constant = config.schedule == ScheduleKind::constant;
  constexpr const char* kNoWarmup = "has no effect with lr_scheduler_type constant";
  refuse_given("warmup_ratio", constant && config.warmup_ratio > 0, kNoWarmup);
  refuse_given("warmup_steps", constant && config.warmup_steps > 0, kNoWarmup);
}

void check_optimiser(const TrainingConfig& config) {
  refuse_if(!(config.learning_rate > 0), "learning_rate must be above 0");
  refuse_if(!(config.warmup_ratio >= 0 && config.warmup_ratio <= 1),
            "warmup_ratio must be from 0 to 1");
  const AdamWSpec& adamw = config.adamw;
  refuse_if(!(adamw.beta1 >= 0 && adamw.beta1 < 1 && adamw.beta2 >= 0 && adamw.beta2 < 1),
            "adam_beta1 and adam_beta2 must be at least 0 and below 1");
  refuse_if(!(adamw.epsilon > 0), "adam_epsilon must be above 0");
  refuse_if(!(adamw.weight_decay >= 0) || !(config.max_grad_norm >= 0),
            "weight_decay and max_grad_norm must not be negative");
}

}  // namespace

TrainingMethod training_method(const std::string& word) {
  if (word == "sft") return TrainingMethod::sft;
  if (word == "dpo") return TrainingMethod::dpo;
  if (word == "reward") return TrainingMethod::reward;
  throw usage_error(
      fmt::format("train: \"{}\" is not a method; expected sft, dpo or reward", word));
}

const char* word_of(TrainingMethod method) {
  switch (method) {
    case TrainingMethod::sft:
      return "sft";
    case TrainingMethod::dpo:
      return "dpo";
    case TrainingMethod::reward:
      return "reward";
  }
  return "";
}

TrainingConfig default_config(TrainingMethod method) {
  TrainingConfig config;
  config.method = method;
  config.bf16 = has_fast_bf16();
  if (method == TrainingMethod::sft) {
    config.learning_rate = 2e-5;
    config.max_length = 2048;
  } else if (method == TrainingMethod::reward) {
    config.learning_rate = 1e-5;
  }
  return config;
}

void set_key(TrainingConfig& config, const std::string& name, const std::string& value,
             const std::string& where) {
  const ConfigKey* key = find_key(name);
  if (key == nullptr) {
    refuse_unknown_key(name, where);
  }
  if (!key->belongs_to(config.method)) {
    throw usage_error(
        fmt::format("{}: {} is not a setting of {}", where, name, word_of(config.method)));
  }
  try {
    key->set(config, value);
    config.given.push_back(key->name);
  } catch (const std::invalid_argument& error) {
    throw usage_error(fmt::format("{}: {}: {}", where, name, error.what()));
  }
}

void apply_yaml(TrainingConfig& config, const std::string& text, const std::string& where) {
  const auto document = parse_yaml(text, where);
  if (document->kind == YamlValue::Kind::null) return;
  if (document->kind != YamlValue::Kind::mapping)
    throw usage_error(where + ": is not a mapping of keys to values");
  std::string unknown;  // reported together, because a file of another trainer has many
  for (const YamlValue::Member& member : document->members) {
    const std::string place = fmt::format("{}:{}", where, member.line);
    if (find_key(member.key) == nullptr) {
      unknown += (unknown.empty() ? "" : "; ") + describe_unknown(member.key, place);
    } else if (member.value->kind != YamlValue::Kind::null) {
      set_key(config, member.key, text_of(*member.value, where, member.key), place);
    }
  }
  if (!unknown.empty()) throw usage_error(unknown);
}

void refuse_unknown_key(const std::string& name, const std::string& where) {
  throw usage_error(describe_unknown(name, where));
}

void settle_defaults(TrainingConfig& config) {
  if (config.warmup_steps == 0 && comes_last(config, "warmup_steps", "warmup_ratio"))
    config.warmup_ratio = 0;
  if (config.max_prompt_length >= config.max_length && !is_given(config, "max_prompt_length"))
    config.max_prompt_length = std::max<std::int64_t>(1, config.max_length / 2);
}

void settle_device(TrainingConfig& config, int capability) {
  constexpr int kAmpere = 8;
  if (!is_given(config, "bf16")) config.bf16 = capability >= kAmpere;
}

void check(const TrainingConfig& config) {
  refuse_if(config.model_name_or_path.empty(),
            "model_name_or_path is missing; name the model to train");
  refuse_if(config.dataset_name.empty(), "dataset_name is missing; name the data set to train on");
  refuse_if(config.output_dir.empty(), "output_dir is missing; name the folder for the result");
  refuse_if(config.overwrite_output_dir && config.resume,
            "overwrite_output_dir and resume contradict each other; set one of them");
  check_sizes(config);
  check_limits(config);
  check_meaning(config);
  if (config.use_peft) check(config.lora);
  check_optimiser(config);
  refuse_if(!(config.loss.beta > 0), "beta must be above 0");
  refuse_if(!(config.loss.label_smoothing >= 0 && config.loss.label_smoothing < 0.5),
            "label_smoothing must be at least 0 and below 0.5");
  refuse_if(config.loss.label_smoothing > 0 && config.loss.kind == PreferenceLossKind::ipo,
            "label_smoothing has no effect with the loss ipo");
  refuse_if(!(config.center_rewards_coefficient >= 0),
            "center_rewards_coefficient must not be negative");
  refuse_if(config.save_dtype != DType::f32 && config.save_dtype != DType::bf16 &&
                config.save_dtype != DType::f16,
            "save_dtype must be float32, bfloat16 or float16");
}

Json to_json(const TrainingConfig& config) {
  Json json = Json::object();
  json["method"] = word_of(config.method);
  for (const ConfigKey& key : config_keys()) {
    if (key.belongs_to(config.method)) json[key.name] = key.get(config);
  }
  return json;
}

}  // namespace expo
