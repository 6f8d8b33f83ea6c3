#include "expo/model/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "expo/core/error.h"
#include "expo/model/config_fields.h"

namespace expo {
namespace {

constexpr std::int64_t kMostLayers = 10'000;
constexpr std::int64_t kMistralWindow =
    4096;  // transformers' default for a config without the field

[[noreturn]] void refuse(const ConfigFields& fields, const std::string& what) {
  throw input_error(fields.where() + ": " + what);
}

ModelHead read_head(ConfigFields& fields) {
  const auto names = fields.texts("architectures");
  if (names.empty()) return ModelHead::language;
  if (names.front().ends_with("ForCausalLM")) return ModelHead::language;
  if (names.front().ends_with("ForSequenceClassification")) return ModelHead::score;
  refuse(fields, fmt::format("the architecture {} is not supported; expected …ForCausalLM or "
                             "…ForSequenceClassification",
                             names.front()));
}

std::int64_t read_labels(ConfigFields& fields) {
  const Json* names = fields.object("id2label");
  const std::int64_t named = names == nullptr ? 2 : static_cast<std::int64_t>(names->size());
  const std::int64_t labels = fields.integer("num_labels", named, 1);
  if (labels < 1) refuse(fields, "id2label is empty, but a reward model has at least one label");
  return labels;
}

void read_sizes(ConfigFields& fields, Architecture& model) {
  model.vocabulary = fields.integer("vocab_size");
  model.hidden = fields.integer("hidden_size");
  model.intermediate = fields.integer("intermediate_size");
  model.heads = fields.integer("num_attention_heads");
  model.kv_heads = fields.integer("num_key_value_heads", model.heads);
  model.max_positions = fields.integer("max_position_embeddings");
  const std::int64_t layers = fields.integer("num_hidden_layers");
  if (layers > kMostLayers)
    refuse(fields, fmt::format("num_hidden_layers is {}, but at most {} are supported", layers,
                               kMostLayers));
  model.layers.resize(static_cast<std::size_t>(layers));
  if (model.kv_heads < 1 || model.heads % model.kv_heads != 0) {
    refuse(fields, fmt::format("num_key_value_heads {} does not divide num_attention_heads {}",
                               model.kv_heads, model.heads));
  }
}

void read_head_dim(ConfigFields& fields, Architecture& model, std::int64_t fallback) {
  model.head_dim = fields.integer("head_dim", fallback);
  if (model.head_dim < 2 || model.head_dim % 2 != 0)
    refuse(fields, fmt::format("head_dim is {}; expected an even number", model.head_dim));
  model.attention_scale = 1 / std::sqrt(static_cast<double>(model.head_dim));
}

Activation read_activation(ConfigFields& fields, const std::string& fallback) {
  const std::string older = fields.text("hidden_act", fallback);
  const std::string word = fields.text("hidden_activation", older);
  if (word == "silu" || word == "swish") return Activation::silu;
  if (word == "gelu") return Activation::gelu;
  if (word == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  refuse(fields, fmt::format("the activation \"{}\" is not supported; expected silu, gelu or "
                             "gelu_pytorch_tanh",
                             word));
}

// Rotary embeddings: `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters`

void read_scaling(ConfigFields fields, RopeSpec& rope) {
  rope.theta = fields.number("rope_theta", rope.theta);
  const std::string older = fields.text("type", "default");
  const std::string kind = fields.text("rope_type", older);
  if (fields.number("partial_rotary_factor", 1) != 1)
    refuse(fields, "a partial_rotary_factor other than 1 is not supported");
  if (kind == "linear" || kind == "llama3") {
    rope.factor = fields.number("factor", 0);
    if (!(rope.factor >= 1))
      refuse(fields, "\"factor\" is missing or below 1; expected a number of at least 1");
  }
  if (kind == "linear") {
    rope.scaling = RopeSpec::Scaling::linear;
  } else if (kind == "llama3") {
    rope.scaling = RopeSpec::Scaling::llama3;
    rope.low_frequency_factor = fields.number("low_freq_factor", 1);
    rope.high_frequency_factor = fields.number("high_freq_factor", 4);
    rope.original_max_positions = fields.number("original_max_position_embeddings", 0);
    if (!(rope.original_max_positions > 0))
      refuse(fields, "original_max_position_embeddings is missing");
  } else if (kind != "default") {
    refuse(fields, fmt::format("the rotary embeddings' scaling \"{}\" is not supported; "
                               "expected default, linear or llama3",
                               kind));
  }
  fields.refuse_others();
}

void read_rope(ConfigFields& fields, Architecture& model, double theta) {
  model.rope.theta = fields.number("rope_theta", theta);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (const Json* object = fields.object(name))
      read_scaling(ConfigFields(*object, fields.where() + ", " + name), model.rope);
  }
  if (!(model.rope.theta > 0)) refuse(fields, "rope_theta is not positive");
}

// Sliding windows

/// Reads `sliding_window`, in which an explicit null means that there is no window.
std::int64_t read_window(ConfigFields& fields) {
  return fields.integer("sliding_window", fields.mentions("sliding_window") ? 0 : kMistralWindow);
}

void apply_layer_types(ConfigFields& fields, Architecture& model, std::int64_t window) {
  const auto types = fields.texts("layer_types");
  if (types.empty()) return;
  if (types.size() != model.layers.size()) {
    refuse(fields, fmt::format("layer_types has {} entries for {} layers", types.size(),
                               model.layers.size()));
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] == "full_attention") {
      model.layers[i].window = 0;
    } else if (types[i] == "sliding_attention" && window > 0) {
      model.layers[i].window = window;
    } else {
      refuse(fields, fmt::format("layer_types contains \"{}\", which is not supported", types[i]));
    }
  }
}

/// Reads Qwen's fields: `use_sliding_window`, which takes effect from layer max_window_layers on.
void read_switched_window(ConfigFields& fields, Architecture& model) {
  const bool used = fields.flag("use_sliding_window", false);
  const std::int64_t window = fields.integer("sliding_window", used ? kMistralWindow : 0);
  const std::int64_t from = fields.integer("max_window_layers", 28);
  for (std::size_t i = 0; used && i < model.layers.size(); ++i)
    model.layers[i].window = static_cast<std::int64_t>(i) >= from ? window : 0;
  apply_layer_types(fields, model, used ? window : 0);
}

// Families

void read_biases(ConfigFields& fields, Architecture& model) {
  model.query_key_value_bias = model.output_bias = fields.flag("attention_bias", false);
  model.mlp_bias = fields.flag("mlp_bias", false);
}

void read_llama(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, model.hidden / model.heads);
  read_rope(fields, model, 10000);
  read_biases(fields, model);
  if (fields.integer("pretraining_tp", 1) < 1) refuse(fields, "pretraining_tp is below 1");
  // Marks of transformers.js and llm-foundry, which SmolLM2's configuration carries.
  fields.ignore({"rope_interleaved", "is_llama_config", "transformers.js_config"});
  apply_layer_types(fields, model, 0);
}

void read_mistral(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, model.hidden / model.heads);
  read_rope(fields, model, 10000);
  const std::int64_t window = read_window(fields);
  for (LayerSpec& layer : model.layers) layer.window = window;
  apply_layer_types(fields, model, window);
}

void read_qwen2(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, model.hidden / model.heads);
  read_rope(fields, model, 10000);
  model.query_key_value_bias = true;
  fields.ignore({"use_mrope"});
  read_switched_window(fields, model);
}

void read_qwen3(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, 128);
  read_rope(fields, model, 10000);
  model.query_key_value_bias = model.output_bias = fields.flag("attention_bias", false);
  model.query_key_norm = QueryKeyNorm::per_head;
  read_switched_window(fields, model);
}

void read_gemma(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, 256);
  read_rope(fields, model, 10000);
  model.query_key_value_bias = model.output_bias = fields.flag("attention_bias", false);
  model.norm_adds_one = model.scales_embeddings = true;
  // The first release wrote "gelu" but meant its tanh approximation, as transformers also assumes.
  if (model.activation == Activation::gelu) model.activation = Activation::gelu_tanh;
  if (fields.has("use_bidirectional_attention") &&
      fields.flag("use_bidirectional_attention", false))
    refuse(fields, "use_bidirectional_attention is not supported");
}

void read_gemma2(ConfigFields& fields, Architecture& model) {
  read_gemma(fields, model);
  model.norms = NormPlacement::sandwich;
  // An explicit null means that there is no cap.
  const auto cap = [&](const char* name, double fallback) {
    return fields.number(name, fields.mentions(name) ? 0 : fallback);
  };
  model.attention_softcap = cap("attn_logit_softcapping", 50);
  model.logit_softcap = cap("final_logit_softcapping", 30);
  const double scalar = fields.number("query_pre_attn_scalar", 256);
  if (!(scalar > 0)) refuse(fields, "query_pre_attn_scalar is not positive");
  model.attention_scale = 1 / std::sqrt(scalar);
  const std::int64_t window = read_window(fields);
  for (std::size_t i = 0; i < model.layers.size(); i += 2) model.layers[i].window = window;
  fields.ignore({"cache_implementation"});
  apply_layer_types(fields, model, window);
}

void read_olmo2(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, model.hidden / model.heads);
  read_rope(fields, model, 10000);
  model.query_key_value_bias = model.output_bias = fields.flag("attention_bias", false);
  model.norms = NormPlacement::after;
  model.query_key_norm = QueryKeyNorm::projection;
}

void read_smollm3(ConfigFields& fields, Architecture& model) {
  read_head_dim(fields, model, model.hidden / model.heads);
  read_rope(fields, model, 2000000);
  read_biases(fields, model);
  fields.ignore({"pretraining_tp"});
  const std::int64_t interval = fields.integer("no_rope_layer_interval", 4, 1);
  const auto listed = fields.integers("no_rope_layers");
  if (!listed.empty() && listed.size() != model.layers.size())
    refuse(fields, "no_rope_layers does not have one entry for each layer");
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    // An entry of 1 marks a layer with rotary embeddings.
    model.layers[i].rope =
        listed.empty() ? (static_cast<std::int64_t>(i) + 1) % interval != 0 : listed[i] != 0;
  }
  read_switched_window(fields, model);
}

struct Family {
  std::function<void(ConfigFields&, Architecture&)> read;
  double norm_epsilon = 1e-6;
  const char* activation = "silu";
  bool tied_head = false;
};

const std::map<std::string, Family>& families() {
  static const std::map<std::string, Family> known = {
      {"llama", {read_llama}},
      {"mistral", {read_mistral}},
      {"qwen2", {read_qwen2}},
      {"qwen3", {read_qwen3}},
      {"gemma", {read_gemma, 1e-6, "gelu_pytorch_tanh", true}},
      {"gemma2", {read_gemma2, 1e-6, "gelu_pytorch_tanh", true}},
      {"olmo2", {read_olmo2, 1e-5}},
      {"smollm3", {read_smollm3, 1e-6, "silu", true}},
  };
  return known;
}

const Family& family_of(const ConfigFields& fields, const std::string& model_type) {
  const auto found = families().find(model_type);
  if (found != families().end()) return found->second;
  std::string names;
  for (const auto& [name, family] : families()) names += (names.empty() ? "" : ", ") + name;
  refuse(fields, fmt::format("the model_type \"{}\" is not supported; expected one of {}",
                             model_type, names));
}

/// Marks fields as known that matter to training, saving and generation but not to a forward pass.
void ignore_bystanders(ConfigFields& fields) {
  fields.ignore({"_name_or_path",
                 "_commit_hash",
                 "transformers_version",
                 "torch_dtype",
                 "dtype",
                 "use_cache",
                 "bos_token_id",
                 "initializer_range",
                 "attention_dropout",
                 "hidden_dropout",
                 "classifier_dropout",
                 "label2id",
                 "problem_type",
                 "output_attentions",
                 "output_hidden_states",
                 "return_dict",
                 "chunk_size_feed_forward",
                 "auto_map",
                 "unsloth_version",
                 "unsloth_fixed",
                 "is_encoder_decoder",
                 "_attn_implementation",
                 "attn_implementation",
                 "finetuning_task",
                 "task_specific_params",
                 "tokenizer_class",
                 "prefix",
                 "_attn_implementation_autoset",
                 "generation_config"});
}

}  // namespace

Architecture read_architecture(const Json& config, const std::string& where) {
  ConfigFields fields(config, where + ": config.json");
  Architecture model;
  model.model_type = fields.text("model_type", "");
  const Family& family = family_of(fields, model.model_type);
  model.head = read_head(fields);
  read_sizes(fields, model);
  model.labels = read_labels(fields);
  model.norm_epsilon = fields.number("rms_norm_eps", family.norm_epsilon);
  model.tied_head = fields.flag("tie_word_embeddings", family.tied_head);
  model.activation = read_activation(fields, family.activation);
  family.read(fields, model);
  model.eos_ids = fields.integers("eos_token_id");
  model.pad_id = fields.integer("pad_token_id", -1, -1);
  ignore_bystanders(fields);
  fields.refuse_others();
  return model;
}

}  // namespace expo
