#include "support/gguf_bytes.h"

namespace expo {

std::string GgufBytes::string(std::string_view text) {
  return number(std::uint64_t{text.size()}) + std::string(text);
}

GgufBytes& GgufBytes::pair(std::string_view key, GgufType type, std::string_view value) {
  pairs_ += string(key) + number(static_cast<std::uint32_t>(type)) + std::string(value);
  ++pair_count_;
  return *this;
}

GgufBytes& GgufBytes::u32(std::string_view key, std::uint32_t value) {
  return pair(key, GgufType::u32, number(value));
}

GgufBytes& GgufBytes::f32(std::string_view key, float value) {
  return pair(key, GgufType::f32, number(value));
}

GgufBytes& GgufBytes::boolean(std::string_view key, unsigned char value) {
  return pair(key, GgufType::boolean, number(value));
}

GgufBytes& GgufBytes::text(std::string_view key, std::string_view value) {
  return pair(key, GgufType::string, string(value));
}

GgufBytes& GgufBytes::texts(std::string_view key, const std::vector<std::string>& values) {
  std::string list =
      number(static_cast<std::uint32_t>(GgufType::string)) + number(std::uint64_t{values.size()});
  for (const std::string& value : values) list += string(value);
  return pair(key, GgufType::array, list);
}

GgufBytes& GgufBytes::integers(std::string_view key, const std::vector<std::int32_t>& values) {
  std::string list =
      number(static_cast<std::uint32_t>(GgufType::i32)) + number(std::uint64_t{values.size()});
  for (const std::int32_t value : values) list += number(value);
  return pair(key, GgufType::array, list);
}

GgufBytes& GgufBytes::reals(std::string_view key, const std::vector<float>& values) {
  return pair(key, GgufType::array,
              number(static_cast<std::uint32_t>(GgufType::f32)) +
                  number(std::uint64_t{values.size()}) + float_bytes(values));
}

GgufBytes& GgufBytes::tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                             std::uint32_t type, std::string_view data) {
  tensor_at(name, dimensions, type, data_.size());
  data_ += data;
  data_.resize((data_.size() + alignment - 1) / alignment * alignment);
  return *this;
}

GgufBytes& GgufBytes::tensor_at(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                                std::uint32_t type, std::uint64_t offset) {
  tensors_ += string(name) + number(static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint64_t dimension : dimensions) tensors_ += number(dimension);
  tensors_ += number(type) + number(offset);
  ++tensor_count_;
  return *this;
}

std::string GgufBytes::bytes() const {
  return bytes_with_counts(tensor_count_, pair_count_);
}

std::string GgufBytes::bytes_with_counts(std::uint64_t tensors, std::uint64_t pairs) const {
  std::string head = "GGUF" + number(version) + number(tensors) + number(pairs) + pairs_ + tensors_;
  if (!data_.empty()) head.resize((head.size() + alignment - 1) / alignment * alignment);
  return head + data_;
}

std::string float_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

GgufBytes small_llama(std::uint32_t layers) {
  GgufBytes file;
  file.text("general.architecture", "llama")
      .u32("llama.block_count", layers)
      .u32("llama.context_length", 32)
      .u32("llama.embedding_length", 8)
      .u32("llama.feed_forward_length", 16)
      .u32("llama.attention.head_count", 2)
      .u32("llama.attention.head_count_kv", 1)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  float next = 0;
  const auto weights = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = next++;
    return float_bytes(values);
  };
  const auto matrix = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows) {
    file.tensor(name, {columns, rows}, 0, weights(static_cast<std::size_t>(columns * rows)));
  };
  const auto vector = [&](const std::string& name) { file.tensor(name, {8}, 0, weights(8)); };
  matrix("token_embd.weight", 8, 5);
  for (std::uint32_t i = 0; i < layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    vector(layer + "attn_norm.weight");
    matrix(layer + "attn_q.weight", 8, 8);
    matrix(layer + "attn_k.weight", 8, 4);
    matrix(layer + "attn_v.weight", 8, 4);
    matrix(layer + "attn_output.weight", 8, 8);
    vector(layer + "ffn_norm.weight");
    matrix(layer + "ffn_gate.weight", 8, 16);
    matrix(layer + "ffn_up.weight", 8, 16);
    matrix(layer + "ffn_down.weight", 16, 8);
  }
  vector("output_norm.weight");
  return file;
}

}  // namespace expo
