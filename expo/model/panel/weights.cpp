#include "expo/model/panel/weights.h"

namespace expo {

PanelWeights::PanelWeights(const Architecture& model, DType dtype) : dtype_(dtype) {
  add("model.embed_tokens.weight", embedding, model.vocabulary, model.hidden);
  layers.resize(model.layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) name_layer(model, i);
  add("model.norm.weight", final_norm, model.hidden);
  const bool scores = model.head == ModelHead::score;
  if (scores) add("score.weight", head, model.labels, model.hidden);
  if (!scores && !model.tied_head) add("lm_head.weight", head, model.vocabulary, model.hidden);
  place();
  if (!scores && model.tied_head) head = embedding;
}

void PanelWeights::name_layer(const Architecture& model, std::size_t index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  PanelLayer& layer = layers[index];
  const auto norm = [&](const char* name, PanelVector& vector) {
    add(prefix + name + ".weight", vector, model.hidden);
  };
  switch (model.norms) {
    case NormPlacement::before:
      norm("input_layernorm", layer.attention_norm);
      norm("post_attention_layernorm", layer.mlp_norm);
      break;
    case NormPlacement::after:
      norm("post_attention_layernorm", layer.attention_post_norm);
      norm("post_feedforward_layernorm", layer.mlp_post_norm);
      break;
    case NormPlacement::sandwich:
      norm("input_layernorm", layer.attention_norm);
      norm("post_attention_layernorm", layer.attention_post_norm);
      norm("pre_feedforward_layernorm", layer.mlp_norm);
      norm("post_feedforward_layernorm", layer.mlp_post_norm);
      break;
  }
  name_attention(model, prefix + "self_attn.", layer);
  name_mlp(model, prefix + "mlp.", layer);
}

void PanelWeights::name_attention(const Architecture& model, const std::string& prefix,
                                  PanelLayer& layer) {
  const std::int64_t q = model.heads * model.head_dim;
  const std::int64_t kv = model.kv_heads * model.head_dim;
  add(prefix + "q_proj.weight", layer.q, q, model.hidden);
  add(prefix + "k_proj.weight", layer.k, kv, model.hidden);
  add(prefix + "v_proj.weight", layer.v, kv, model.hidden);
  add(prefix + "o_proj.weight", layer.output, model.hidden, q);
  if (model.query_key_value_bias) {
    add(prefix + "q_proj.bias", layer.q_bias, q);
    add(prefix + "k_proj.bias", layer.k_bias, kv);
    add(prefix + "v_proj.bias", layer.v_bias, kv);
  }
  if (model.output_bias) add(prefix + "o_proj.bias", layer.output_bias, model.hidden);
  if (model.query_key_norm == QueryKeyNorm::none) return;
  const bool per_head = model.query_key_norm == QueryKeyNorm::per_head;
  add(prefix + "q_norm.weight", layer.q_norm, per_head ? model.head_dim : q);
  add(prefix + "k_norm.weight", layer.k_norm, per_head ? model.head_dim : kv);
}

void PanelWeights::name_mlp(const Architecture& model, const std::string& prefix,
                            PanelLayer& layer) {
  add(prefix + "gate_proj.weight", layer.gate, model.intermediate, model.hidden);
  add(prefix + "up_proj.weight", layer.up, model.intermediate, model.hidden);
  add(prefix + "down_proj.weight", layer.down, model.hidden, model.intermediate);
  if (!model.mlp_bias) return;
  add(prefix + "gate_proj.bias", layer.gate_bias, model.intermediate);
  add(prefix + "up_proj.bias", layer.up_bias, model.intermediate);
  add(prefix + "down_proj.bias", layer.down_bias, model.hidden);
}

void PanelWeights::add(const std::string& name, PanelMatrix& matrix, std::int64_t rows,
                       std::int64_t columns) {
  matrix.layout = PanelLayout(rows, columns, dtype_);
  named[name] = &matrix;
}

void PanelWeights::add(const std::string& name, PanelVector& vector, std::int64_t size) {
  vector.resize(static_cast<std::size_t>(size));
  named[name] = &vector;
}

/// Places all matrices in one piece of memory, so that it may have huge pages. A panel is a
/// multiple of 64 bytes, so every matrix begins on a cache line.
void PanelWeights::place() {
  std::size_t total = 0;
  for (const auto& [name, where] : named) {
    if (const auto* matrix = std::get_if<PanelMatrix*>(&where)) total += (*matrix)->layout.bytes();
  }
  memory_ = ZeroedMemory(total);
  std::byte* next = memory_.data();
  for (const auto& [name, where] : named) {
    const auto* matrix = std::get_if<PanelMatrix*>(&where);
    if (matrix == nullptr) continue;
    (*matrix)->storage = next;
    next += (*matrix)->layout.bytes();
  }
}

}  // namespace expo
