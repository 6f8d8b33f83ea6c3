#include "expo/extrapolation/plan/tensor_groups.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <vector>

#include "expo/extrapolation/plan/alpha_schedule.h"

namespace expo {
namespace {

using Words = std::vector<std::string_view>;

struct KnownWord {
  std::string_view word;
  std::string_view kind;
};

// Words that mean the same wherever they stand.
constexpr std::array kPlainWords{
    KnownWord{"q_proj", "attention.q"},
    KnownWord{"k_proj", "attention.k"},
    KnownWord{"v_proj", "attention.v"},
    KnownWord{"query", "attention.q"},
    KnownWord{"key", "attention.k"},
    KnownWord{"value", "attention.v"},
    KnownWord{"attn_q", "attention.q"},
    KnownWord{"attn_k", "attention.k"},
    KnownWord{"attn_v", "attention.v"},
    KnownWord{"qkv_proj", "attention.qkv"},
    KnownWord{"query_key_value", "attention.qkv"},
    KnownWord{"c_attn", "attention.qkv"},
    KnownWord{"wqkv", "attention.qkv"},
    KnownWord{"attn_qkv", "attention.qkv"},
    KnownWord{"o_proj", "attention.o"},
    KnownWord{"attn_output", "attention.o"},
    KnownWord{"gate_proj", "mlp.gate"},
    KnownWord{"ffn_gate", "mlp.gate"},
    KnownWord{"up_proj", "mlp.up"},
    KnownWord{"ffn_up", "mlp.up"},
    KnownWord{"c_fc", "mlp.up"},
    KnownWord{"fc1", "mlp.up"},
    KnownWord{"fc_in", "mlp.up"},
    KnownWord{"dense_h_to_4h", "mlp.up"},
    KnownWord{"gate_up_proj", "mlp.gate_up"},
    KnownWord{"down_proj", "mlp.down"},
    KnownWord{"ffn_down", "mlp.down"},
    KnownWord{"fc2", "mlp.down"},
    KnownWord{"fc_out", "mlp.down"},
    KnownWord{"dense_4h_to_h", "mlp.down"},
    KnownWord{"router", "router"},
    KnownWord{"ffn_gate_inp", "router"},
    KnownWord{"wte", "embedding"},
    KnownWord{"wpe", "embedding"},
    KnownWord{"token_embd", "embedding"},
    KnownWord{"position_embd", "embedding"},
    KnownWord{"lm_head", "head"},
    KnownWord{"embed_out", "head"},
    KnownWord{"ln_f", "norm"},
    KnownWord{"ln_1", "norm"},
    KnownWord{"ln_2", "norm"},
};

// Words whose meaning depends on the module around them.
struct ContextWord {
  std::string_view word;
  std::string_view context;  ///< an earlier word contains it
  std::string_view kind;
};
constexpr std::array kContextWords{
    ContextWord{"c_proj", "attn", "attention.o"},
    ContextWord{"c_proj", "mlp", "mlp.down"},
    ContextWord{"dense", "intermediate", "mlp.up"},
    ContextWord{"dense", "attention", "attention.o"},
    ContextWord{"dense", "attn", "attention.o"},
    ContextWord{"out_proj", "attn", "attention.o"},
    ContextWord{"out_proj", "attention", "attention.o"},
    ContextWord{"proj", "attn", "attention.o"},
    ContextWord{"qkv", "attn", "attention.qkv"},
    ContextWord{"gate", "mlp", "router"},
    ContextWord{"gate", "moe", "router"},
    ContextWord{"w1", "expert", "mlp.gate"},
    ContextWord{"w2", "expert", "mlp.down"},
    ContextWord{"w3", "expert", "mlp.up"},
    ContextWord{"w1", "feed_forward", "mlp.gate"},
    ContextWord{"w2", "feed_forward", "mlp.down"},
    ContextWord{"w3", "feed_forward", "mlp.up"},
    ContextWord{"wq", "attention", "attention.q"},
    ContextWord{"wk", "attention", "attention.k"},
    ContextWord{"wv", "attention", "attention.v"},
    ContextWord{"wo", "attention", "attention.o"},
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_number(std::string_view word) {
  return !word.empty() &&
         std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c); });
}

Words split(std::string_view name) {
  Words words;
  std::size_t start = 0;
  while (start <= name.size()) {
    const std::size_t dot = std::min(name.find('.', start), name.size());
    if (dot > start) words.push_back(name.substr(start, dot - start));
    start = dot + 1;
  }
  return words;
}

bool is_norm(std::string_view word) {
  return contains(word, "norm") || word == "ln" || word.starts_with("ln_");
}

bool is_embedding(std::string_view word) {
  return word.starts_with("embed_") || word.ends_with("embed") || word.ends_with("embedding") ||
         word.ends_with("embeddings") || word.ends_with("embed_tokens");
}

std::optional<std::string_view> known_kind(std::string_view word,
                                           std::span<const std::string_view> before) {
  for (const auto& known : kPlainWords) {
    if (known.word == word) return known.kind;
  }
  const auto around = [&](std::string_view context) {
    return std::ranges::any_of(before, [&](auto earlier) { return contains(earlier, context); });
  };
  for (const auto& known : kContextWords) {
    if (known.word == word && around(known.context)) return known.kind;
  }
  if (is_norm(word)) return "norm";
  if (is_embedding(word)) return "embedding";
  // GGUF's head is "output.weight", at the top level.
  if (word == "output" && before.empty()) return "head";
  return std::nullopt;
}

// The name without its parameter word and trailing numbers, so that it ends in a module word.
Words module_words(Words words) {
  const auto drops = [](std::string_view word) {
    return word == "weight" || word == "bias" || is_number(word);
  };
  while (words.size() > 1 && drops(words.back())) words.pop_back();
  return words;
}

// This also looks one word further out, because adapters and quantisers wrap a known module in a
// word of their own.
std::string kind_of(const Words& words) {
  if (words.empty()) return "other";
  const std::span all(words);
  if (const auto kind = known_kind(words.back(), all.first(words.size() - 1)))
    return std::string(*kind);
  if (words.size() >= 2) {
    const auto kind = known_kind(words[words.size() - 2], all.first(words.size() - 2));
    if (kind) return std::string(*kind);
  }
  return std::string(words.back());
}

std::string part_of(const Words& words) {
  const auto any = [&](auto test) { return std::ranges::any_of(words, test); };
  if (any([](auto w) { return contains(w, "vision") || w == "visual"; })) return "vision";
  if (any([](auto w) { return contains(w, "audio"); })) return "audio";
  return "";
}

std::string with_part(const TensorGroup& group, const std::string& label) {
  return group.part.empty() ? label : group.part + " " + label;
}

}  // namespace

TensorGroup group_of(std::string_view tensor) {
  const Words words = split(tensor);
  TensorGroup group;
  group.part = part_of(words);
  group.layer = layer_of(tensor);
  group.kind = kind_of(module_words(words));
  group.is_matrix = group.kind != "norm" && !tensor.ends_with("bias");
  return group;
}

std::string layer_label(const TensorGroup& group) {
  if (!group.layer) return with_part(group, group.kind);
  return with_part(group, "layer " + std::to_string(*group.layer));
}

std::string kind_label(const TensorGroup& group) {
  return with_part(group, group.kind);
}

}  // namespace expo
