#include "expo/checkpoint/gguf/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "expo/checkpoint/tensor.h"
#include "expo/core/error.h"

namespace expo {
namespace {

// The changes that llama.cpp's conversion makes to each architecture: whether it interleaves the
// rotary halves, and whether it stores norms plus one.
constexpr std::array kArchitectures{
    GgufArchitecture{.gguf = "llama",
                     .model_type = "llama",
                     .model_class = "LlamaForCausalLM",
                     .permuted = true},
    GgufArchitecture{.gguf = "smollm3",
                     .model_type = "smollm3",
                     .model_class = "SmolLM3ForCausalLM",
                     .permuted = true},
    GgufArchitecture{.gguf = "qwen2", .model_type = "qwen2", .model_class = "Qwen2ForCausalLM"},
    GgufArchitecture{.gguf = "qwen3",
                     .model_type = "qwen3",
                     .model_class = "Qwen3ForCausalLM",
                     .head_norms = true},
    GgufArchitecture{.gguf = "gemma",
                     .model_type = "gemma",
                     .model_class = "GemmaForCausalLM",
                     .norms_plus_one = true},
    GgufArchitecture{.gguf = "gemma2",
                     .model_type = "gemma2",
                     .model_class = "Gemma2ForCausalLM",
                     .norms_plus_one = true,
                     .post_norms = true},
    GgufArchitecture{.gguf = "olmo2",
                     .model_type = "olmo2",
                     .model_class = "Olmo2ForCausalLM",
                     .head_norms = true,
                     .pre_norms = false,
                     .post_norms = true},
};

struct Pair {
  std::string_view gguf;
  std::string_view hugging_face;
};

constexpr std::array kProjections{
    Pair{"attn_q", "self_attn.q_proj"}, Pair{"attn_k", "self_attn.k_proj"},
    Pair{"attn_v", "self_attn.v_proj"}, Pair{"attn_output", "self_attn.o_proj"},
    Pair{"ffn_gate", "mlp.gate_proj"},  Pair{"ffn_up", "mlp.up_proj"},
    Pair{"ffn_down", "mlp.down_proj"},
};

/// The norms of a layer. If a layer also has norms after its parts, transformers calls the one
/// before the feed-forward part pre_feedforward_layernorm.
std::vector<Pair> norms_of(const GgufArchitecture& architecture) {
  std::vector<Pair> norms;
  if (architecture.pre_norms) {
    norms.push_back({"attn_norm", "input_layernorm"});
    norms.push_back({"ffn_norm", architecture.post_norms ? "pre_feedforward_layernorm"
                                                         : "post_attention_layernorm"});
  }
  if (architecture.post_norms) {
    norms.push_back({"post_attention_norm", "post_attention_layernorm"});
    norms.push_back({"post_ffw_norm", "post_feedforward_layernorm"});
  }
  if (architecture.head_norms) {
    norms.push_back({"attn_q_norm", "self_attn.q_norm"});
    norms.push_back({"attn_k_norm", "self_attn.k_norm"});
  }
  return norms;
}

/// The parts of a name such as "blk.7.attn_q.weight".
struct LayerName {
  std::uint64_t layer = 0;
  std::string_view part;    // "attn_q"
  std::string_view suffix;  // ".weight"
};

std::optional<LayerName> parse_layer_name(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  LayerName result;
  const char* begin = name.data() + 4;
  const char* end = name.data() + name.size();
  const auto [after, failure] = std::from_chars(begin, end, result.layer);
  if (failure != std::errc{} || after == end || *after != '.') return std::nullopt;
  if (*begin == '0' && after != begin + 1) return std::nullopt;
  const std::string_view rest(after + 1, static_cast<std::size_t>(end - after - 1));
  const std::size_t dot = rest.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  result.part = rest.substr(0, dot);
  result.suffix = rest.substr(dot);
  return result;
}

class Mapper {
 public:
  Mapper(const GgufHeader& header, const GgufArchitecture& architecture,
         const GgufDimensions& dimensions)
      : header_(header),
        architecture_(architecture),
        dimensions_(dimensions),
        norms_(norms_of(architecture)) {}

  std::vector<HuggingFaceTensor> map() {
    std::vector<HuggingFaceTensor> result;
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
      // Skips factors that config.json expresses as rope_scaling, and a buffer of old files.
      if (header_.tensors[i].name == "rope_freqs.weight" ||
          header_.tensors[i].name.ends_with(".attn_rot_embd.weight"))
        continue;
      auto tensor = map_one(header_.tensors[i]);
      if (!tensor) fail_unknown(header_.tensors[i]);
      tensor->source = i;
      result.push_back(*std::move(tensor));
    }
    check_complete();
    return result;
  }

 private:
  std::optional<HuggingFaceTensor> map_one(const GgufTensor& tensor) const {
    if (tensor.name == "token_embd.weight") return plain("model.embed_tokens.weight");
    if (tensor.name == "output.weight") return plain("lm_head.weight");
    if (tensor.name == "output_norm.weight") return norm("model.norm.weight");
    const auto layer = parse_layer_name(tensor.name);
    if (!layer || layer->layer >= dimensions_.layers) return std::nullopt;
    const auto name = [&](std::string_view part) {
      return fmt::format("model.layers.{}.{}{}", layer->layer, part, layer->suffix);
    };
    for (const Pair& pair : norms_) {
      if (layer->part == pair.gguf && layer->suffix == ".weight")
        return norm(name(pair.hugging_face));
    }
    if (layer->suffix != ".weight" && layer->suffix != ".bias") return std::nullopt;
    for (const Pair& pair : kProjections) {
      if (layer->part == pair.gguf) return projection(tensor, pair.gguf, name(pair.hugging_face));
    }
    return std::nullopt;
  }

  static HuggingFaceTensor plain(std::string name) {
    return {0, std::move(name), GgufTransform::none, 1};
  }

  HuggingFaceTensor norm(std::string name) const {
    return {0, std::move(name),
            architecture_.norms_plus_one ? GgufTransform::subtract_one : GgufTransform::none, 1};
  }

  HuggingFaceTensor projection(const GgufTensor& tensor, std::string_view part,
                               std::string name) const {
    HuggingFaceTensor result = plain(std::move(name));
    if (!architecture_.permuted || (part != "attn_q" && part != "attn_k")) return result;
    result.transform = GgufTransform::unpermute;
    result.heads = part == "attn_q" ? dimensions_.heads : dimensions_.kv_heads;
    const std::uint64_t rows = tensor.shape.empty() ? 0 : tensor.shape.front();
    if (rows != result.heads * dimensions_.head_dim || dimensions_.head_dim % 2 != 0) {
      throw input_error(fmt::format(
          "{}: the tensor \"{}\" has the shape {}, but the metadata declares {} heads of {} "
          "rows",
          header_.metadata.where(), tensor.name, format_shape(tensor.shape), result.heads,
          dimensions_.head_dim));
    }
    return result;
  }

  [[noreturn]] void fail_unknown(const GgufTensor& tensor) const {
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in a transformers model of the architecture {} with {} "
        "layers (mixtures of experts and multimodal parts are not supported); GGUF output from two "
        "GGUF inputs works for any tensor",
        header_.metadata.where(), tensor.name, architecture_.gguf, dimensions_.layers));
  }

  void check_complete() const {
    std::set<std::string_view> names;
    for (const GgufTensor& tensor : header_.tensors) names.insert(tensor.name);
    const auto require = [&](const std::string& name) {
      if (!names.contains(name))
        throw input_error(
            fmt::format("{}: the tensor \"{}\" is missing; the file does not hold a "
                        "whole model",
                        header_.metadata.where(), name));
    };
    require("token_embd.weight");
    require("output_norm.weight");
    for (std::uint64_t i = 0; i < dimensions_.layers; ++i) {
      for (const Pair& pair : kProjections) require(fmt::format("blk.{}.{}.weight", i, pair.gguf));
      for (const Pair& pair : norms_) require(fmt::format("blk.{}.{}.weight", i, pair.gguf));
    }
  }

  const GgufHeader& header_;
  const GgufArchitecture& architecture_;
  const GgufDimensions& dimensions_;
  std::vector<Pair> norms_;
};

/// Reads a number of heads: one integer, or one for each layer, all equal.
std::optional<std::uint64_t> head_count(const GgufMetadata& metadata, const std::string& key) {
  const GgufEntry* entry = metadata.find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type != GgufType::array) return metadata.integer(key);
  const auto counts = *metadata.integers(key);
  if (counts.empty() || counts.front() < 0 ||
      std::ranges::any_of(counts, [&](std::int64_t count) { return count != counts.front(); })) {
    throw input_error(
        fmt::format("{}: the layers differ in {}, which config.json cannot express; "
                    "GGUF output from two GGUF inputs works for any model",
                    metadata.where(), key));
  }
  return static_cast<std::uint64_t>(counts.front());
}

std::uint64_t required(const GgufMetadata& metadata, const std::string& key,
                       std::optional<std::uint64_t> value) {
  // Far above the size of any model, and far below where products would overflow.
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 31;
  if (value && *value >= 1 && *value <= kLargest) return *value;
  throw input_error(fmt::format("{}: the metadata key \"{}\" is {}, but a model requires it",
                                metadata.where(), key,
                                value ? std::to_string(*value) : std::string("missing")));
}

/// The size of a head: from the metadata, or else from the query projection's shape.
std::uint64_t head_size(const GgufHeader& header, const GgufArchitecture& architecture,
                        const GgufDimensions& dimensions) {
  const GgufMetadata& metadata = header.metadata;
  std::uint64_t size = dimensions.hidden / dimensions.heads;
  if (const auto key = architecture_key(architecture, "attention.key_length"); metadata.find(key))
    size = required(metadata, key, metadata.integer(key));
  else if (const GgufTensor* query = find_tensor(header, "blk.0.attn_q.weight");
           query != nullptr && query->shape.size() == 2)
    size = query->shape[0] / dimensions.heads;
  const auto rotary = metadata.integer(architecture_key(architecture, "rope.dimension_count"));
  if (rotary && *rotary != size) {
    throw input_error(fmt::format(
        "{}: {} of the {} values of a head are rotated, which config.json cannot express for {}; "
        "GGUF output from two GGUF inputs works for any model",
        metadata.where(), *rotary, size, architecture.model_type));
  }
  return size;
}

}  // namespace

const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata) {
  const auto name = metadata.string("general.architecture");
  if (!name)
    throw input_error(metadata.where() +
                      ": the metadata key \"general.architecture\" is missing; the file is not a "
                      "model");
  const auto* found = std::ranges::find(kArchitectures, *name, &GgufArchitecture::gguf);
  if (found != kArchitectures.end()) return *found;
  std::string known;
  for (const GgufArchitecture& architecture : kArchitectures)
    known += (known.empty() ? "" : ", ") + std::string(architecture.gguf);
  throw input_error(
      fmt::format("{}: the tensors' Hugging Face names are not known for the architecture {} "
                  "(known: {}); GGUF output from "
                  "two GGUF inputs works for any architecture",
                  metadata.where(), printable(*name), known));
}

std::string architecture_key(const GgufArchitecture& architecture, std::string_view suffix) {
  return fmt::format("{}.{}", architecture.gguf, suffix);
}

GgufDimensions gguf_dimensions(const GgufHeader& header, const GgufArchitecture& architecture) {
  const GgufMetadata& metadata = header.metadata;
  const auto integer = [&](std::string_view suffix) {
    const std::string key = architecture_key(architecture, suffix);
    return required(metadata, key, metadata.integer(key));
  };
  GgufDimensions result;
  result.layers = integer("block_count");
  result.hidden = integer("embedding_length");
  result.intermediate = integer("feed_forward_length");
  const std::string heads = architecture_key(architecture, "attention.head_count");
  result.heads = required(metadata, heads, head_count(metadata, heads));
  const std::string kv_heads = architecture_key(architecture, "attention.head_count_kv");
  result.kv_heads = metadata.find(kv_heads)
                        ? required(metadata, kv_heads, head_count(metadata, kv_heads))
                        : result.heads;
  result.head_dim = head_size(header, architecture, result);
  const GgufTensor* embedding = find_tensor(header, "token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw input_error(
        metadata.where() +
        ": the tensor \"token_embd.weight\" is missing or not a matrix; the file does "
        "not hold a whole model (perhaps a vocabulary only)");
  }
  result.vocabulary = embedding->shape[0];
  return result;
}

std::vector<HuggingFaceTensor> hugging_face_tensors(const GgufHeader& header,
                                                    const GgufArchitecture& architecture,
                                                    const GgufDimensions& dimensions) {
  // Every layer has several tensors: a larger count is wrong, and would make the completeness check
  // slow.
  if (dimensions.layers > header.tensors.size())
    throw input_error(
        fmt::format("{}: the metadata declares {} layers, but the file holds {} "
                    "tensors; it does not hold a whole model",
                    header.metadata.where(), dimensions.layers, header.tensors.size()));
  return Mapper(header, architecture, dimensions).map();
}

const GgufTensor* find_tensor(const GgufHeader& header, std::string_view name) {
  const auto found = std::ranges::find(header.tensors, name, &GgufTensor::name);
  return found == header.tensors.end() ? nullptr : &*found;
}

}  // namespace expo
