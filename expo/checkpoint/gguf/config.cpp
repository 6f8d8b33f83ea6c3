#include "expo/checkpoint/gguf/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr double kDefaultTheta = 10000;  // llama.cpp's default if a file names none

class ConfigMaker {
 public:
  ConfigMaker(const GgufHeader& header, const GgufArchitecture& architecture,
              const GgufDimensions& dimensions, std::span<const float> rope_factors, DType dtype)
      : header_(header),
        metadata_(header.metadata),
        architecture_(architecture),
        dimensions_(dimensions),
        rope_factors_(rope_factors),
        dtype_(dtype) {}

  GgufConfigs make() {
    GgufConfigs result;
    result.config = make_config();
    result.generation = make_generation();
    return result;
  }

 private:
  std::string key(std::string_view suffix) const { return architecture_key(architecture_, suffix); }
  std::optional<double> real(std::string_view suffix) const { return metadata_.real(key(suffix)); }
  std::optional<std::uint64_t> integer(std::string_view suffix) const {
    return metadata_.integer(key(suffix));
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw input_error(fmt::format("{}: {}; GGUF output from two GGUF inputs works for any model",
                                  metadata_.where(), message));
  }

  Json make_config() {
    Json config = Json::object();
    config["architectures"] = {architecture_.model_class};
    config["model_type"] = architecture_.model_type;
    config["vocab_size"] = dimensions_.vocabulary;
    config["hidden_size"] = dimensions_.hidden;
    config["intermediate_size"] = dimensions_.intermediate;
    config["num_hidden_layers"] = dimensions_.layers;
    config["num_attention_heads"] = dimensions_.heads;
    config["num_key_value_heads"] = dimensions_.kv_heads;
    config["head_dim"] = dimensions_.head_dim;
    if (const auto context = integer("context_length"))
      config["max_position_embeddings"] = *context;
    add_norm(config);
    add_rope(config);
    add_biases(config);
    add_family(config);
    config["tie_word_embeddings"] = find_tensor(header_, "output.weight") == nullptr;
    add_token_id(config, "bos_token_id", "tokenizer.ggml.bos_token_id");
    add_token_id(config, "eos_token_id", "tokenizer.ggml.eos_token_id");
    add_token_id(config, "pad_token_id", "tokenizer.ggml.padding_token_id");
    config["dtype"] = torch_name(dtype_);
    config["use_cache"] = true;
    return config;
  }

  void add_norm(Json& config) const {
    const auto epsilon = real("attention.layer_norm_rms_epsilon");
    if (!epsilon)
      fail(
          fmt::format("the metadata key \"{}\" is missing, but the model cannot be computed "
                      "without it",
                      key("attention.layer_norm_rms_epsilon")));
    config["rms_norm_eps"] = *epsilon;
  }

  // Rotary embedding

  void add_rope(Json& config) const {
    config["rope_theta"] = real("rope.freq_base").value_or(kDefaultTheta);
    Json scaling = metadata_scaling();
    Json recovered = recovered_scaling(config["rope_theta"].get<double>());
    if (!scaling.is_null() && !recovered.is_null())
      fail("rope_freqs.weight and rope.scaling both change the rotary frequencies");
    config["rope_scaling"] = scaling.is_null() ? std::move(recovered) : std::move(scaling);
  }

  Json metadata_scaling() const {
    const auto type = metadata_.string(key("rope.scaling.type"));
    auto factor = real("rope.scaling.factor");
    if (!factor) factor = real("rope.scale_linear");
    if (type == "none" || !factor || *factor == 0 || *factor == 1) {
      if (type && *type != "none" && *type != "linear" && *type != "yarn")
        fail(fmt::format("the rope scaling {} is not supported", printable(*type)));
      return nullptr;
    }
    // llama.cpp treats a factor without a type as linear.
    if (!type || *type == "linear") return {{"rope_type", "linear"}, {"factor", *factor}};
    if (*type == "yarn") return yarn(*factor);
    fail(fmt::format("the rope scaling {} is not supported", printable(*type)));
  }

  Json yarn(double factor) const {
    if (real("rope.scaling.yarn_ext_factor").value_or(1) != 1 ||
        real("rope.scaling.yarn_log_multiplier").value_or(0) != 0)
      fail("yarn's ext_factor or log_multiplier has no counterpart in config.json");
    const auto original = integer("rope.scaling.original_context_length");
    if (!original)
      fail(fmt::format("the metadata key \"{}\" is missing, without which yarn cannot be computed",
                       key("rope.scaling.original_context_length")));
    Json scaling = {
        {"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", *original}};
    if (const auto fast = real("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = *fast;
    if (const auto slow = real("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = *slow;
    auto attention = real("rope.scaling.yarn_attn_factor");
    if (!attention) attention = real("rope.scaling.attn_factor");
    // llama.cpp multiplies yarn's own factor by this one; transformers expects the product.
    if (attention && *attention != 1)
      scaling["attention_factor"] = *attention * (1 + 0.1 * std::log(factor));
    return scaling;
  }

  /// The divisor of the frequency `index`, as Llama 3.1 defines it.
  double llama3_factor(double theta, std::size_t index, double factor, double original) const {
    constexpr double kLow = 1;
    constexpr double kHigh = 4;
    const double exponent =
        2 * static_cast<double>(index) / static_cast<double>(dimensions_.head_dim);
    const double wavelength = 2 * std::numbers::pi * std::pow(theta, exponent);
    if (wavelength < original / kHigh) return 1;
    if (wavelength > original / kLow) return factor;
    const double smooth = (original / wavelength - kLow) / (kHigh - kLow);
    return 1 / ((1 - smooth) / factor + smooth);
  }

  Json recovered_scaling(double theta) const {
    if (rope_factors_.empty()) return nullptr;
    double factor = 1;
    bool ones = true;
    for (const float value : rope_factors_) {
      factor = std::max(factor, static_cast<double>(value));
      ones = ones && value == 1.0F;
    }
    if (ones) return nullptr;
    const std::uint64_t original = integer("rope.scaling.original_context_length").value_or(8192);
    for (std::size_t i = 0; i < rope_factors_.size(); ++i) {
      const double expected = llama3_factor(theta, i, factor, static_cast<double>(original));
      if (!(std::fabs(static_cast<double>(rope_factors_[i]) - expected) <= 1e-4 * expected)) {
        fail(
            fmt::format("rope_freqs.weight holds {} at {}, but Llama 3.1's scaling by {} has {}: "
                        "config.json cannot express these frequencies",
                        rope_factors_[i], i, factor, expected));
      }
    }
    return {{"rope_type", "llama3"},
            {"factor", factor},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", original}};
  }

  // Biases

  /// Whether every layer has a bias at this part; throws if only some layers have one.
  bool has_bias(std::string_view part) const {
    std::uint64_t count = 0;
    const std::string ending = fmt::format(".{}.bias", part);
    for (const GgufTensor& tensor : header_.tensors) count += tensor.name.ends_with(ending) ? 1 : 0;
    if (count != 0 && count != dimensions_.layers)
      fail(fmt::format("only {} of the {} layers have a bias at {}", count, dimensions_.layers,
                       part));
    return count != 0;
  }

  void add_biases(Json& config) const {
    const bool query = has_bias("attn_q");
    const bool output = has_bias("attn_output");
    if (has_bias("attn_k") != query || has_bias("attn_v") != query)
      fail("some of the query, key and value projections have a bias and others have none");
    const bool qwen2 = architecture_.model_type == "qwen2";
    if (qwen2 ? !query || output : query != output)
      fail(fmt::format("the attention of {} has biases at other projections than this file",
                       architecture_.model_class));
    if (!qwen2) config["attention_bias"] = query;
    const bool mlp = has_bias("ffn_gate");
    if (has_bias("ffn_up") != mlp || has_bias("ffn_down") != mlp)
      fail("some of the feed-forward projections have a bias and others have none");
    const bool can_have = architecture_.permuted;  // only llama and smollm3 have mlp_bias
    if (mlp && !can_have)
      fail(fmt::format("{} has no bias in its feed-forward part", architecture_.model_class));
    if (can_have) config["mlp_bias"] = mlp;
  }

  // Fields of individual families

  void add_family(Json& config) const {
    if (!architecture_.norms_plus_one) {
      config["hidden_act"] = "silu";
    } else {
      config["hidden_act"] = config["hidden_activation"] = "gelu_pytorch_tanh";
    }
    if (architecture_.model_type == "smollm3") {
      // Every fourth layer has no rotary embedding, in llama.cpp as well.
      config["no_rope_layer_interval"] = 4;
      config["use_sliding_window"] = false;
    }
    if (architecture_.model_type == "gemma2") add_gemma2(config);
  }

  void add_gemma2(Json& config) const {
    const auto or_null = [](const std::optional<double>& value) {
      return value ? Json(*value) : Json(nullptr);
    };
    config["attn_logit_softcapping"] = or_null(real("attn_logit_softcapping"));
    config["final_logit_softcapping"] = or_null(real("final_logit_softcapping"));
    // llama.cpp's default is 4096.
    config["sliding_window"] = integer("attention.sliding_window").value_or(4096);
    // No key holds this value: as in llama.cpp, only the 27B model (46 layers) differs.
    constexpr std::uint64_t kLayersOf27B = 46;
    config["query_pre_attn_scalar"] = dimensions_.layers == kLayersOf27B
                                          ? dimensions_.hidden / dimensions_.heads
                                          : dimensions_.head_dim;
  }

  // Token ids

  /// Sets the id, or null if the file names none: otherwise transformers would use a default of its
  /// own.
  void add_token_id(Json& target, const char* name, std::string_view metadata_key) const {
    const auto id = metadata_.integer(metadata_key);
    target[name] = id ? Json(*id) : Json(nullptr);
  }

  Json make_generation() const {
    Json generation = Json::object();
    add_token_id(generation, "bos_token_id", "tokenizer.ggml.bos_token_id");
    add_token_id(generation, "eos_token_id", "tokenizer.ggml.eos_token_id");
    add_token_id(generation, "pad_token_id", "tokenizer.ggml.padding_token_id");
    // The end of a turn also ends the answer.
    Json ends = Json::array();
    for (const char* name : {"eos", "eot", "eom"}) {
      const auto id = metadata_.integer(fmt::format("tokenizer.ggml.{}_token_id", name));
      if (id && std::ranges::find(ends, Json(*id)) == ends.end()) ends.push_back(*id);
    }
    if (ends.size() > 1) generation["eos_token_id"] = std::move(ends);
    return generation;
  }

  const GgufHeader& header_;
  const GgufMetadata& metadata_;
  const GgufArchitecture& architecture_;
  const GgufDimensions& dimensions_;
  std::span<const float> rope_factors_;
  DType dtype_;
};

}  // namespace

GgufConfigs make_gguf_configs(const GgufHeader& header, const GgufArchitecture& architecture,
                              const GgufDimensions& dimensions, std::span<const float> rope_factors,
                              DType dtype) {
  return ConfigMaker(header, architecture, dimensions, rope_factors, dtype).make();
}

}  // namespace expo
