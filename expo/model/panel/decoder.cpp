#include "expo/model/panel/decoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "expo/core/float_formats.h"
#include "expo/model/activation.h"
#include "expo/model/panel/blocks.h"

namespace expo {
namespace {

/// The elements of one block of the gate's product.
constexpr std::int64_t kGateElements = PanelBlocks::kRows * PanelBlocks::kPanels * kPanelRows;

std::int64_t width_of(const PanelMatrix& matrix) {
  return matrix.layout.panels() * kPanelRows;
}

std::byte* bytes_of(std::vector<float>& values) {
  return reinterpret_cast<std::byte*>(values.data());
}

/// Enlarges `values` if needed and never shrinks it, so that a decoding step allocates nothing. The
/// contents are lost.
void make_room(std::vector<float>& values, std::int64_t count) {
  if (values.size() < static_cast<std::size_t>(count))
    std::vector<float>(static_cast<std::size_t>(count)).swap(values);
}

void add_to(float* x, const PanelVector& y) {
  for (std::size_t i = 0; i < y.size(); ++i) x[i] += y[i];
}

}  // namespace

PanelDecoder::PanelDecoder(const Architecture& architecture, const PanelWeights& weights,
                           unsigned threads)
    : Decoder(architecture),
      weights_(weights),
      kernels_(weights.dtype()),
      team_(threads),
      rotary_(architecture.rope, architecture.head_dim),
      attention_(architecture, weights.dtype()),
      worker_scratch_(team_.size()) {}

std::unique_ptr<KvCache> PanelDecoder::make_cache(std::int64_t slots, std::int64_t capacity) const {
  const std::vector<std::int64_t> capacities(static_cast<std::size_t>(slots), capacity);
  return std::make_unique<PanelCache>(architecture(), weights_.dtype(),
                                      static_cast<std::int64_t>(architecture().layers.size()),
                                      capacities);
}

std::uint64_t PanelDecoder::cache_bytes_of_slot(std::int64_t capacity) const {
  return PanelCache::bytes_of_slot(architecture(), weights_.dtype(), capacity);
}

at::Tensor PanelDecoder::compute(std::span<const std::int64_t> ids,
                                 std::span<const SequencePart> parts, KvCache* cache) {
  prepare(parts, cache != nullptr);
  embed(ids);
  if (cache != nullptr) {
    const auto& own = dynamic_cast<const PanelCache&>(*cache);
    team_.run([&](ThreadTeam::Member& member) { run_layers(own, false, member); });
  } else {
    // Without a cache of the caller's, it is enough to keep the keys and values of one layer at a
    // time.
    std::vector<std::int64_t> lengths;
    for (const SequencePart& part : parts) lengths.push_back(part.count);
    const PanelCache passing(architecture(), weights_.dtype(), 1, lengths);
    team_.run([&](ThreadTeam::Member& member) { run_layers(passing, true, member); });
  }
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const at::Tensor result = at::empty({rows, architecture().hidden}, at::kFloat);
  std::memcpy(result.mutable_data_ptr(), added_.data(), result.nbytes());
  return result;
}

void PanelDecoder::prepare(std::span<const SequencePart> parts, bool has_cache) {
  const Architecture& model = architecture();
  rows_.clear();
  slots_.clear();
  std::int64_t longest = 0;
  for (const SequencePart& part : parts) {
    slots_.push_back(has_cache ? part.slot : static_cast<std::int64_t>(slots_.size()));
    for (std::int64_t i = 0; i < part.count; ++i) rows_.push_back({slots_.back(), part.start + i});
    longest = std::max(longest, part.start + part.count);
  }
  rotary_.reserve(longest);
  attention_.prepare(parts, team_.size());
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const PanelLayer& layer = weights_.layers.front();
  make_room(stream_, rows * width_of(layer.output));
  make_room(added_, rows * width_of(layer.output));
  make_room(q_, rows * width_of(layer.q));
  make_room(k_, rows * width_of(layer.k));
  make_room(v_, rows * width_of(layer.v));
  // Counted in floats there is room enough for either type; elements that are never written stay
  // zero.
  make_room(normed_, rows * layer.q.layout.padded_columns());
  make_room(queries_, static_cast<std::int64_t>(attention_.query_elements(rows)));
  make_room(attended_, rows * layer.output.layout.padded_columns());
  make_room(gated_, rows * layer.down.layout.padded_columns());
  for (auto& scratch : worker_scratch_)
    make_room(scratch, std::max(2 * kGateElements, 2 * model.head_dim));
}

void PanelDecoder::embed(std::span<const std::int64_t> ids) {
  const Architecture& model = architecture();
  const PanelMatrix& matrix = weights_.embedding;
  // The embedding is scaled in the weights' type, as Gemma was trained.
  float scale = model.scales_embeddings ? std::sqrt(static_cast<float>(model.hidden)) : 1.0F;
  if (weights_.dtype() == DType::bf16)
    scale = static_cast<float>(bf16_to_double(double_to_bf16(double{scale})));
  const std::int64_t stride = width_of(weights_.layers.front().output);
  std::vector<std::byte> row(static_cast<std::size_t>(model.hidden) * kernels_.panel_width());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    matrix.layout.unpack(ids[i], 1, matrix.storage, row.data());
    float* out = stream_.data() + static_cast<std::int64_t>(i) * stride;
    if (weights_.dtype() == DType::f32) {
      std::memcpy(out, row.data(), row.size());
    } else {
      for (std::int64_t j = 0; j < model.hidden; ++j) {
        std::uint16_t bits = 0;
        std::memcpy(&bits, row.data() + 2 * j, sizeof bits);
        out[j] = std::bit_cast<float>(std::uint32_t{bits} << 16);
      }
    }
    for (std::int64_t j = 0; scale != 1 && j < model.hidden; ++j) out[j] *= scale;
  }
}

/// Runs all layers; every thread of the team executes this function at once.
void PanelDecoder::run_layers(const PanelCache& cache, bool one_layer, ThreadTeam::Member& member) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const PanelLayer& layer = weights_.layers[i];
    const LayerSpec& spec = architecture().layers[i];
    const std::size_t cache_layer = one_layer ? 0 : i;
    norm_rows(layer.attention_norm, member);
    const Projection projections[] = {{&layer.q, q_.data(), width_of(layer.q)},
                                      {&layer.k, k_.data(), width_of(layer.k)},
                                      {&layer.v, v_.data(), width_of(layer.v)}};
    project(projections, bytes_of(normed_), layer.q.layout.padded_columns(), member);
    member.for_each(rows, [&](std::int64_t row) {
      turn_row(row, layer, spec, cache, cache_layer, member.worker());
    });
    const std::int64_t attended = layer.output.layout.padded_columns();
    attend(
        {cache, cache_layer, spec, slots_, bytes_of(queries_), rows, bytes_of(attended_), attended},
        member);
    add_to_stream(layer.output, layer.output_bias, layer.attention_post_norm, bytes_of(attended_),
                  attended, member);
    norm_rows(layer.mlp_norm, member);
    gate_up(layer, member);
    add_to_stream(layer.down, layer.down_bias, layer.mlp_post_norm, bytes_of(gated_),
                  layer.down.layout.padded_columns(), member);
  }
  const std::int64_t stride = width_of(weights_.layers.front().output);
  const std::int64_t hidden = architecture().hidden;
  member.for_each(rows, [&](std::int64_t row) {
    kernels_.set().norm_f32(stream_.data() + row * stride, hidden, weights_.final_norm.data(),
                            norm_offset(), static_cast<float>(architecture().norm_epsilon),
                            added_.data() + row * hidden);
  });
}

void PanelDecoder::attend(const PanelAttention::Call& call, ThreadTeam::Member& member) {
  // With many small tasks, a thread takes several at once.
  const std::int64_t tasks = attention_.tasks();
  const std::int64_t chunk = tasks / (32 * team_.size()) + 1;
  member.for_each((tasks + chunk - 1) / chunk, [&](std::int64_t index) {
    for (std::int64_t task = index * chunk; task < std::min(tasks, (index + 1) * chunk); ++task)
      attention_.compute(task, member.worker(), call);
  });
}

/// Writes the stream as the left side of products, normed if there is a weight.
void PanelDecoder::norm_rows(const PanelVector& weight, ThreadTeam::Member& member) {
  const std::int64_t hidden = architecture().hidden;
  const std::int64_t stride = width_of(weights_.layers.front().output);
  const auto out_stride =
      static_cast<std::size_t>(weights_.layers.front().q.layout.padded_columns()) *
      kernels_.left_width();
  member.for_each(static_cast<std::int64_t>(rows_.size()), [&](std::int64_t row) {
    const float* x = stream_.data() + row * stride;
    std::byte* out = bytes_of(normed_) + static_cast<std::size_t>(row) * out_stride;
    if (weight.empty()) return kernels_.round(x, hidden, out);
    kernels_.norm(x, hidden, weight.data(), norm_offset(),
                  static_cast<float>(architecture().norm_epsilon), out);
  });
}

void PanelDecoder::project(std::span<const Projection> projections, const std::byte* left,
                           std::int64_t left_stride, ThreadTeam::Member& member) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  std::int64_t total = 0;
  for (const Projection& one : projections)
    total += PanelBlocks(*one.matrix, rows, team_.size()).count();
  member.for_each(total, [&](std::int64_t block) {
    const Projection* one = projections.data();
    const auto blocks = [&] { return PanelBlocks(*one->matrix, rows, team_.size()); };
    for (; block >= blocks().count(); ++one) block -= blocks().count();
    Product product = blocks().product(block, left, left_stride, kernels_.left_width());
    product.c = one->out + blocks().first_row(block) * one->stride +
                blocks().first_panel(block) * kPanelRows;
    product.c_stride = one->stride;
    product.add = one->add;
    kernels_.multiply(product);
  });
}

/// Applies biases, norms and rotation to the q and k of one row; its k and v go to the cache.
void PanelDecoder::turn_row(std::int64_t row, const PanelLayer& layer, const LayerSpec& spec,
                            const PanelCache& cache, std::size_t cache_layer, unsigned worker) {
  const Architecture& model = architecture();
  const Row& where = rows_[static_cast<std::size_t>(row)];
  const auto rows = static_cast<std::int64_t>(rows_.size());
  float* q = q_.data() + row * width_of(layer.q);
  float* k = k_.data() + row * width_of(layer.k);
  float* v = v_.data() + row * width_of(layer.v);
  turn_heads(q, model.heads, layer.q_bias, layer.q_norm, spec.rope, where.position);
  turn_heads(k, model.kv_heads, layer.k_bias, layer.k_norm, spec.rope, where.position);
  add_to(v, layer.v_bias);
  for (std::int64_t head = 0; head < model.heads; ++head) {
    kernels_.round(
        q + head * model.head_dim, model.head_dim,
        bytes_of(queries_) + attention_.query_offset(head, row, rows) * kernels_.left_width());
  }
  std::byte* key = bytes_of(worker_scratch_[worker]);
  std::byte* value = key + static_cast<std::size_t>(model.head_dim) * kernels_.panel_width();
  for (std::int64_t head = 0; head < model.kv_heads; ++head) {
    kernels_.round_for_panel(k + head * model.head_dim, model.head_dim, key);
    kernels_.round_for_panel(v + head * model.head_dim, model.head_dim, value);
    cache.write(cache_layer, where.slot, head, where.position, key, value);
  }
}

void PanelDecoder::turn_heads(float* x, std::int64_t heads, const PanelVector& bias,
                              const PanelVector& norm, bool rotates, std::int64_t position) const {
  const std::int64_t dim = architecture().head_dim;
  const auto epsilon = static_cast<float>(architecture().norm_epsilon);
  add_to(x, bias);
  if (architecture().query_key_norm == QueryKeyNorm::projection)
    kernels_.set().norm_f32(x, heads * dim, norm.data(), norm_offset(), epsilon, x);
  for (std::int64_t head = 0; head < heads; ++head, x += dim) {
    if (architecture().query_key_norm == QueryKeyNorm::per_head)
      kernels_.set().norm_f32(x, dim, norm.data(), norm_offset(), epsilon, x);
    if (rotates)
      kernels_.set().rotate(x, rotary_.cosine(position), rotary_.sine(position), dim / 2);
  }
}

/// Adds left · matrixᵀ to the stream: directly, or row by row if the product is normed first.
void PanelDecoder::add_to_stream(const PanelMatrix& matrix, const PanelVector& bias,
                                 const PanelVector& post_norm, const std::byte* left,
                                 std::int64_t left_stride, ThreadTeam::Member& member) {
  const std::int64_t hidden = architecture().hidden;
  const std::int64_t stride = width_of(matrix);
  if (bias.empty() && post_norm.empty()) {
    const Projection projection[] = {{&matrix, stream_.data(), stride, true}};
    return project(projection, left, left_stride, member);
  }
  const Projection projection[] = {{&matrix, added_.data(), stride}};
  project(projection, left, left_stride, member);
  member.for_each(static_cast<std::int64_t>(rows_.size()), [&](std::int64_t row) {
    float* y = added_.data() + row * stride;
    float* x = stream_.data() + row * stride;
    add_to(y, bias);
    if (!post_norm.empty()) {
      kernels_.set().norm_f32(y, hidden, post_norm.data(), norm_offset(),
                              static_cast<float>(architecture().norm_epsilon), y);
    }
    for (std::int64_t i = 0; i < hidden; ++i) x[i] += y[i];
  });
}

/// Computes both products of a block and the gate between them while they are in the processor's
/// cache.
void PanelDecoder::gate_up(const PanelLayer& layer, ThreadTeam::Member& member) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t stride = layer.gate.layout.padded_columns();
  const PanelBlocks gate(layer.gate, rows, team_.size()), up(layer.up, rows, team_.size());
  member.for_each(gate.count(), [&](std::int64_t block) {
    float* const gates = worker_scratch_[member.worker()].data();
    float* const ups = gates + kGateElements;
    const auto multiply = [&](const PanelBlocks& blocks, float* out) {
      Product product = blocks.product(block, bytes_of(normed_), stride, kernels_.left_width());
      product.c = out;
      product.c_stride = product.panel_count * kPanelRows;
      kernels_.multiply(product);
      return product;
    };
    multiply(gate, gates);
    const Product done = multiply(up, ups);
    for (std::int64_t i = 0; i < done.rows; ++i) {
      gate_row(layer, gate.first_row(block) + i, gate.first_panel(block) * kPanelRows,
               {gates + i * done.c_stride, ups + i * done.c_stride, done.c_stride});
    }
  });
}

void PanelDecoder::gate_row(const PanelLayer& layer, std::int64_t row, std::int64_t first,
                            const GateRow& values) {
  const std::int64_t count = std::min(values.count, layer.gate.layout.rows() - first);
  for (std::int64_t i = 0; !layer.gate_bias.empty() && i < count; ++i) {
    values.gate[i] += layer.gate_bias[static_cast<std::size_t>(first + i)];
    values.up[i] += layer.up_bias[static_cast<std::size_t>(first + i)];
  }
  const std::int64_t at = row * layer.down.layout.padded_columns() + first;
  kernels_.gate(gate_of(architecture().activation), values.gate, values.up, count,
                bytes_of(gated_) + static_cast<std::size_t>(at) * kernels_.left_width());
}

at::Tensor PanelDecoder::logits(const at::Tensor& hidden_states) {
  const c10::InferenceMode no_gradients;
  const at::Tensor hidden = hidden_states.contiguous();
  const std::int64_t rows = hidden.size(0), size = hidden.size(1);
  const PanelMatrix& head = weights_.head;
  const std::int64_t stride = width_of(head);
  const std::int64_t left_stride = head.layout.padded_columns();
  make_room(normed_, rows * left_stride);
  make_room(logits_, rows * stride);
  rows_.assign(static_cast<std::size_t>(rows), Row{0, 0});
  // transformers caps the logits of the vocabulary, but not rewards.
  const auto cap = static_cast<float>(
      architecture().head == ModelHead::score ? 0 : architecture().logit_softcap);
  const auto* values = hidden.const_data_ptr<float>();
  team_.run([&](ThreadTeam::Member& member) {
    member.for_each(rows, [&](std::int64_t row) {
      kernels_.round(
          values + row * size, size,
          bytes_of(normed_) + static_cast<std::size_t>(row * left_stride) * kernels_.left_width());
    });
    const Projection projection[] = {{&head, logits_.data(), stride}};
    project(projection, bytes_of(normed_), left_stride, member);
    if (cap > 0) {
      member.for_each(rows, [&](std::int64_t row) {
        kernels_.set().soft_cap(logits_.data() + row * stride, stride, cap);
      });
    }
  });
  return at::from_blob(logits_.data(), {rows, head.layout.rows()}, {stride, 1}, at::kFloat);
}

}  // namespace expo
