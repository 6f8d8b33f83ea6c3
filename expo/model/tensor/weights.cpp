#include "expo/model/tensor/weights.h"

namespace expo {
namespace {

/// Some rows of a fused matrix, or elements of a fused bias, and the module that they belong to.
struct Part {
  const char* module;
  std::int64_t rows;
};

class Allocation {
 public:
  Allocation(const Architecture& architecture, const at::TensorOptions& options)
      : model_(architecture), options_(options) {}

  DecoderWeights run() {
    weights_.embedding = make("model.embed_tokens.weight", {model_.vocabulary, model_.hidden});
    for (std::size_t i = 0; i < model_.layers.size(); ++i) weights_.layers.push_back(make_layer(i));
    weights_.final_norm = make("model.norm.weight", {model_.hidden});
    make_head();
    return std::move(weights_);
  }

 private:
  void make_head() {
    if (model_.head == ModelHead::score) {
      weights_.head = make("score.weight", {model_.labels, model_.hidden});
    } else if (model_.tied_head) {
      weights_.head = weights_.embedding;
    } else {
      weights_.head = make("lm_head.weight", {model_.vocabulary, model_.hidden});
    }
  }

  LayerWeights make_layer(std::size_t index) {
    prefix_ = "model.layers." + std::to_string(index) + ".";
    LayerWeights layer;
    make_norms(layer);
    make_attention(layer);
    make_mlp(layer);
    return layer;
  }

  void make_norms(LayerWeights& layer) {
    const auto norm = [&](const char* name) {
      return make(prefix_ + name + ".weight", {model_.hidden});
    };
    if (model_.norms != NormPlacement::after) layer.attention_norm = norm("input_layernorm");
    switch (model_.norms) {
      case NormPlacement::before:
        layer.mlp_norm = norm("post_attention_layernorm");
        break;
      case NormPlacement::after:
        layer.attention_post_norm = norm("post_attention_layernorm");
        layer.mlp_post_norm = norm("post_feedforward_layernorm");
        break;
      case NormPlacement::sandwich:
        layer.attention_post_norm = norm("post_attention_layernorm");
        layer.mlp_norm = norm("pre_feedforward_layernorm");
        layer.mlp_post_norm = norm("post_feedforward_layernorm");
        break;
    }
  }

  void make_attention(LayerWeights& layer) {
    const std::int64_t q = model_.heads * model_.head_dim;
    const std::int64_t kv = model_.kv_heads * model_.head_dim;
    const std::vector<Part> parts = {
        {"self_attn.q_proj", q}, {"self_attn.k_proj", kv}, {"self_attn.v_proj", kv}};
    layer.qkv = fuse(parts, model_.hidden);
    if (model_.query_key_value_bias) layer.qkv_bias = fuse_biases(parts);
    layer.output = make(prefix_ + "self_attn.o_proj.weight", {model_.hidden, q});
    if (model_.output_bias)
      layer.output_bias = make(prefix_ + "self_attn.o_proj.bias", {model_.hidden});
    if (model_.query_key_norm == QueryKeyNorm::none) return;
    const bool per_head = model_.query_key_norm == QueryKeyNorm::per_head;
    layer.q_norm = make(prefix_ + "self_attn.q_norm.weight", {per_head ? model_.head_dim : q});
    layer.k_norm = make(prefix_ + "self_attn.k_norm.weight", {per_head ? model_.head_dim : kv});
  }

  void make_mlp(LayerWeights& layer) {
    const std::vector<Part> parts = {{"mlp.gate_proj", model_.intermediate},
                                     {"mlp.up_proj", model_.intermediate}};
    layer.gate_up = fuse(parts, model_.hidden);
    layer.down = make(prefix_ + "mlp.down_proj.weight", {model_.hidden, model_.intermediate});
    if (!model_.mlp_bias) return;
    layer.gate_up_bias = fuse_biases(parts);
    layer.down_bias = make(prefix_ + "mlp.down_proj.bias", {model_.hidden});
  }

  at::Tensor make(const std::string& name, at::IntArrayRef shape) {
    return weights_.named[name] = at::empty(shape, options_);
  }

  at::Tensor fuse(const std::vector<Part>& parts, std::int64_t columns) {
    const at::Tensor whole = at::empty({total(parts), columns}, options_);
    name_parts(whole, parts, ".weight");
    return whole;
  }

  at::Tensor fuse_biases(const std::vector<Part>& parts) {
    const at::Tensor whole = at::empty({total(parts)}, options_);
    name_parts(whole, parts, ".bias");
    return whole;
  }

  void name_parts(const at::Tensor& whole, const std::vector<Part>& parts, const char* suffix) {
    std::int64_t first = 0;
    for (const Part& part : parts) {
      weights_.named[prefix_ + part.module + suffix] = whole.narrow(0, first, part.rows);
      first += part.rows;
    }
  }

  static std::int64_t total(const std::vector<Part>& parts) {
    std::int64_t rows = 0;
    for (const Part& part : parts) rows += part.rows;
    return rows;
  }

  const Architecture& model_;
  at::TensorOptions options_;
  DecoderWeights weights_;
  std::string prefix_;
};

}  // namespace

DecoderWeights allocate_weights(const Architecture& architecture,
                                const at::TensorOptions& options) {
  return Allocation(architecture, options).run();
}

}  // namespace expo
