#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "expo/core/text.h"
#include "expo/training/config/keys.h"

namespace expo {
namespace {

using Config = TrainingConfig;
using Method = TrainingMethod;

[[noreturn]] void refuse(const std::string& text, const char* expected) {
  throw std::invalid_argument(fmt::format("\"{}\" is not {}", text, expected));
}

double number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    refuse(text, "a number");
  return value;
}

template <typename Integer>
Integer integer(const std::string& text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) refuse(text, "a whole number");
  return value;
}

bool boolean(const std::string& text) {
  const std::string word = lower_case(text);
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  refuse(text, "true or false");
}

// There is one maker for each type of field.

ConfigKey text(const char* name, const char* type, const char* help, std::string Config::*field,
               std::vector<Method> methods = {}) {
  return {name,
          type,
          help,
          std::move(methods),
          [field](Config& config, const std::string& value) { config.*field = value; },
          [field](const Config& config) { return Json(config.*field); }};
}

ConfigKey column(const char* name, const char* help, std::string Columns::*field,
                 std::vector<Method> methods) {
  return {name,
          "NAME",
          help,
          std::move(methods),
          [field](Config& config, const std::string& value) { config.columns.*field = value; },
          [field](const Config& config) { return Json(config.columns.*field); }};
}

template <typename Get>
ConfigKey numeric(const char* name, const char* help, Get get, std::vector<Method> methods = {}) {
  return {name,
          "FLOAT",
          help,
          std::move(methods),
          [get](Config& config, const std::string& value) { get(config) = number(value); },
          [get](const Config& config) { return Json(get(const_cast<Config&>(config))); }};
}

template <typename Get>
ConfigKey whole(const char* name, const char* help, Get get, std::vector<Method> methods = {}) {
  using Integer = std::remove_reference_t<decltype(get(std::declval<Config&>()))>;
  return {
      name,
      "INT",
      help,
      std::move(methods),
      [get](Config& config, const std::string& value) { get(config) = integer<Integer>(value); },
      [get](const Config& config) { return Json(get(const_cast<Config&>(config))); }};
}

template <typename Get>
ConfigKey flag(const char* name, const char* help, Get get, std::vector<Method> methods = {}) {
  return {name,
          "FLAG",
          help,
          std::move(methods),
          [get](Config& config, const std::string& value) { get(config) = boolean(value); },
          [get](const Config& config) { return Json(get(const_cast<Config&>(config))); }};
}

template <typename Value>
using Words = std::vector<std::pair<const char*, Value>>;

template <typename Value, typename Get>
ConfigKey choice(const char* name, const char* help, Words<Value> words, Get get,
                 std::vector<Method> methods = {}) {
  std::string expected;
  for (const auto& [word, value] : words)
    expected += (expected.empty() ? "one of " : ", ") + std::string(word);
  return {name,
          "WORD",
          help,
          std::move(methods),
          [=](Config& config, const std::string& value) {
            for (const auto& [word, meaning] : words) {
              if (value != word) continue;
              get(config) = meaning;
              return;
            }
            refuse(value, expected.c_str());
          },
          [=](const Config& config) {
            for (const auto& [word, meaning] : words) {
              if (get(const_cast<Config&>(config)) == meaning) return Json(word);
            }
            return Json();
          }};
}

ConfigKey target_modules() {
  return {"lora_target_modules",
          "LIST",
          "Modules that get adapters: names separated by commas, all-linear, or a regular "
          "expression for whole names; default: q_proj,v_proj",
          {},
          [](Config& config, const std::string& value) { config.lora.set_targets(value); },
          [](const Config& config) { return config.lora.target_modules(); }};
}

ConfigKey completion_only() {
  return {"completion_only_loss",
          "FLAG",
          "Count nothing before the completion; default: true for rows of a prompt and a "
          "completion; rows of messages have none",
          {Method::sft},
          [](Config& config, const std::string& value) {
            config.completion_only_loss = boolean(value);
          },
          [](const Config& config) {
            return config.completion_only_loss ? Json(*config.completion_only_loss) : Json();
          }};
}

ConfigKey save_dtype() {
  return {"save_dtype",
          "TYPE",
          "Type of the saved weights: float32, bfloat16 or float16; default: float32, because a "
          "small step is lost in bfloat16",
          {},
          [](Config& config, const std::string& value) {
            const auto dtype = dtype_from_user(value);
            if (!dtype) refuse(value, "a type");
            config.save_dtype = *dtype;
          },
          [](const Config& config) { return Json(std::string(torch_name(config.save_dtype))); }};
}

/// Reference log-probabilities are always computed before the training; the key may be set to true.
ConfigKey precompute() {
  return {"precompute_ref_log_probs",
          "FLAG",
          "Compute the reference's log-probabilities once, before the training; always on",
          {Method::dpo},
          [](Config&, const std::string& value) {
            if (!boolean(value))
              throw std::invalid_argument("they are always computed once, before the training");
          },
          [](const Config&) { return Json(true); }};
}

void add_data_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(text("model_name_or_path", "MODEL",
                      "Model to train: folder, file or Hugging Face id in the cache",
                      &Config::model_name_or_path));
  keys.push_back(text("ref_model_name_or_path", "MODEL",
                      "Reference model; default: the model before the training",
                      &Config::ref_model_name_or_path, {Method::dpo}));
  keys.push_back(text("dataset_name", "DATA", "Data set: .jsonl, .json, .parquet or a folder",
                      &Config::dataset_name));
  keys.push_back(text("dataset_train_split", "SPLIT",
                      "Split to train on, if the data set is a folder",
                      &Config::dataset_train_split));
  keys.push_back(text("eval_dataset_name", "DATA", "Data set to evaluate on; default: none",
                      &Config::eval_dataset_name));
  keys.push_back(text("dataset_test_split", "SPLIT",
                      "Split to evaluate on, if that data set is a folder",
                      &Config::dataset_test_split));
  keys.push_back(text("chat_template_path", "FILE",
                      "Jinja chat template to use instead of the model's; saved with the result",
                      &Config::chat_template_path));
  keys.push_back(text("output_dir", "OUT", "Folder for checkpoints, metrics and the result",
                      &Config::output_dir));
  keys.push_back(flag("overwrite_output_dir", "Remove what an earlier run left in output_dir",
                      [](Config& c) -> bool& { return c.overwrite_output_dir; }));
  const std::vector<Method> pairs = {Method::dpo, Method::reward};
  keys.push_back(column("prompt_column",
                        "Column of the prompts; default: prompt, instruction or question",
                        &Columns::prompt, pairs));
  keys.push_back(column("chosen_column", "Column of the chosen answers; default: chosen",
                        &Columns::chosen, pairs));
  keys.push_back(column("rejected_column", "Column of the rejected answers; default: rejected",
                        &Columns::rejected, pairs));
  keys.push_back(
      numeric("fraction",
              "Share of the rows to train on; for one seed, a smaller share is part of a "
              "larger one; default: 1",
              [](Config& c) -> double& { return c.fraction; }));
  keys.push_back(whole("max_length", "Longest row in tokens; default: 1024, SFT 2048",
                       [](Config& c) -> std::int64_t& { return c.max_length; }));
  keys.push_back(
      whole("max_prompt_length",
            "Length to which a prompt is truncated from the left if the row is too long; "
            "default: 512, and at most half of max_length",
            [](Config& c) -> std::int64_t& { return c.max_prompt_length; }, {Method::dpo}));
  keys.push_back(flag("assistant_only_loss",
                      "Count the assistant's turns only; false counts everything; default: true",
                      [](Config& c) -> bool& { return c.assistant_only_loss; }, {Method::sft}));
  keys.push_back(completion_only());
}

void add_loss_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(
      numeric("beta", "Strength of the penalty for moving away from the reference; default: 0.01",
              [](Config& c) -> double& { return c.loss.beta; }, {Method::dpo}));
  keys.push_back(choice<PreferenceLossKind>(
      "loss_type", "sigmoid, ipo or robust; default: sigmoid",
      {{"sigmoid", PreferenceLossKind::sigmoid},
       {"ipo", PreferenceLossKind::ipo},
       {"robust", PreferenceLossKind::robust}},
      [](Config& c) -> PreferenceLossKind& { return c.loss.kind; }, {Method::dpo}));
  keys.push_back(
      numeric("label_smoothing", "Share of the labels that is assumed to be wrong; default: 0",
              [](Config& c) -> double& { return c.loss.label_smoothing; }, {Method::dpo}));
  keys.push_back(precompute());
  keys.push_back(text("reference_cache_dir", "FOLDER",
                      "Folder that keeps the reference's log-probabilities for use by other runs; "
                      "default: output_dir",
                      &Config::reference_cache_dir, {Method::dpo}));
  keys.push_back(numeric("center_rewards_coefficient",
                         "Weight of (r_chosen + r_rejected)², which centres rewards; default: 0",
                         [](Config& c) -> double& { return c.center_rewards_coefficient; },
                         {Method::reward}));
}

void add_batch_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(whole("per_device_train_batch_size",
                       "Pairs or conversations in a batch of one rank; default: 8",
                       [](Config& c) -> std::int64_t& { return c.per_device_train_batch_size; }));
  keys.push_back(whole("gradient_accumulation_steps", "Batches per optimiser step; default: 16",
                       [](Config& c) -> std::int64_t& { return c.gradient_accumulation_steps; }));
  keys.push_back(numeric("num_train_epochs", "Passes over the data; default: 1",
                         [](Config& c) -> double& { return c.num_train_epochs; }));
  keys.push_back(whole("max_steps", "Total number of steps, instead of epochs; default: 0, not set",
                       [](Config& c) -> std::int64_t& { return c.max_steps; }));
  keys.push_back(choice<bool>(
      "train_sampling_strategy", "random (new order in each epoch) or sequential; default: random",
      {{"random", false}, {"sequential", true}}, [](Config& c) -> bool& { return c.sequential; }));
  keys.push_back(
      whole("tokens_per_pass",
            "Tokens that go through the model at once; limits the memory and changes the result "
            "only by rounding; default: 1024",
            [](Config& c) -> std::int64_t& { return c.tokens_per_pass; }));
  keys.push_back(flag("gradient_checkpointing",
                      "Recompute each layer in the backward pass, which saves memory",
                      [](Config& c) -> bool& { return c.gradient_checkpointing; }));
  keys.push_back(flag("bf16",
                      "Matrix products in bfloat16, all else in float32; default: on for GPUs from "
                      "Ampere on and for CPUs with bfloat16 instructions",
                      [](Config& c) -> bool& { return c.bf16; }));
}

void add_optimiser_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(numeric("learning_rate",
                         "Peak learning rate; default: DPO 5e-7, SFT 2e-5, reward 1e-5",
                         [](Config& c) -> double& { return c.learning_rate; }));
  keys.push_back(choice<ScheduleKind>(
      "lr_scheduler_type", "cosine, linear, constant or constant_with_warmup; default: cosine",
      {{"cosine", ScheduleKind::cosine},
       {"linear", ScheduleKind::linear},
       {"constant", ScheduleKind::constant},
       {"constant_with_warmup", ScheduleKind::constant_with_warmup}},
      [](Config& c) -> ScheduleKind& { return c.schedule; }));
  keys.push_back(numeric("warmup_ratio", "Share of the steps used for warm-up; default: 0.1",
                         [](Config& c) -> double& { return c.warmup_ratio; }));
  keys.push_back(whole("warmup_steps", "Number of warm-up steps; 0: none; default: by warmup_ratio",
                       [](Config& c) -> std::int64_t& { return c.warmup_steps; }));
  keys.push_back(numeric("weight_decay",
                         "Weight decay of matrices, not of norms and biases; default: 0",
                         [](Config& c) -> double& { return c.adamw.weight_decay; }));
  keys.push_back(numeric("adam_beta1", "Decay rate of AdamW's first moment; default: 0.9",
                         [](Config& c) -> double& { return c.adamw.beta1; }));
  keys.push_back(numeric("adam_beta2", "Decay rate of AdamW's second moment; default: 0.999",
                         [](Config& c) -> double& { return c.adamw.beta2; }));
  keys.push_back(numeric("adam_epsilon", "AdamW's epsilon; default: 1e-8",
                         [](Config& c) -> double& { return c.adamw.epsilon; }));
  keys.push_back(numeric("max_grad_norm",
                         "Largest norm of the gradient (clipping); 0: no clipping; default: 1",
                         [](Config& c) -> double& { return c.max_grad_norm; }));
}

void add_lora_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(flag("use_peft", "Train LoRA adapters instead of the weights",
                      [](Config& c) -> bool& { return c.use_peft; }));
  keys.push_back(whole("lora_r", "Rank of the adapters; default: 8",
                       [](Config& c) -> std::int64_t& { return c.lora.rank; }));
  keys.push_back(numeric("lora_alpha", "The update is scaled by lora_alpha / lora_r; default: 8",
                         [](Config& c) -> double& { return c.lora.alpha; }));
  keys.push_back(numeric("lora_dropout", "Dropout of the adapters' inputs in training; default: 0",
                         [](Config& c) -> double& { return c.lora.dropout; }));
  keys.push_back(target_modules());
  keys.push_back(flag("use_rslora", "Scale by lora_alpha / √lora_r instead",
                      [](Config& c) -> bool& { return c.lora.rank_stabilised; }));
}

void add_run_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(whole("eval_steps", "Steps between evaluations; default: only at the end",
                       [](Config& c) -> std::int64_t& { return c.eval_steps; }));
  keys.push_back(whole("save_steps",
                       "Steps between checkpoints, from which the run can be resumed; default: no "
                       "checkpoints",
                       [](Config& c) -> std::int64_t& { return c.save_steps; }));
  keys.push_back(whole("save_total_limit", "Number of newest checkpoints to keep; default: all",
                       [](Config& c) -> std::int64_t& { return c.save_total_limit; }));
  keys.push_back(save_dtype());
  keys.push_back(flag("resume", "Resume from the newest checkpoint in output_dir",
                      [](Config& c) -> bool& { return c.resume; }));
  keys.push_back(whole("seed", "Seed of the order, the fraction and all random draws; default: 42",
                       [](Config& c) -> std::uint64_t& { return c.seed; }));
  keys.push_back(numeric("ddp_timeout",
                         "Seconds that a rank waits for another before it counts as dead; "
                         "default: 1800",
                         [](Config& c) -> double& { return c.ddp_timeout; }));
  keys.push_back(
      text("device", "DEVICE",
           "auto, cpu, cuda or cuda:N; default: auto, a GPU for each rank if there is one",
           &Config::device));
  keys.push_back(whole("threads", "Number of threads; default: one for each processor",
                       [](Config& c) -> unsigned& { return c.threads; }));
}

}  // namespace

bool ConfigKey::belongs_to(TrainingMethod method) const {
  return methods.empty() || std::ranges::count(methods, method) > 0;
}

bool ConfigKey::is_flag() const {
  return std::string(type) == "FLAG";
}

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> list;
    const auto add = [&](const char* section, void (*add_keys)(std::vector<ConfigKey>&)) {
      const std::size_t first = list.size();
      add_keys(list);
      for (std::size_t i = first; i < list.size(); ++i) list[i].section = section;
    };
    add("Model, data and output", add_data_keys);
    add("Loss", add_loss_keys);
    add("Batches", add_batch_keys);
    add("Optimiser", add_optimiser_keys);
    add("LoRA", add_lora_keys);
    add("Run and machine", add_run_keys);
    return list;
  }();
  return keys;
}

}  // namespace expo
