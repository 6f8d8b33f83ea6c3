#include "expo/model/panel_attention.h"

#include <algorithm>

namespace expo {
namespace {

/// Queries that share a product: two tiles of AMX.
constexpr std::int64_t kQueries = 32;
constexpr std::int64_t kKeyBlock = 32;

std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

PanelAttention::PanelAttention(const Architecture& architecture, DType dtype)
    : architecture_(architecture),
      kernels_(dtype),
      group_(architecture.heads / architecture.kv_heads),
      padded_dim_(padded_columns(architecture.head_dim, dtype)) {}

void PanelAttention::prepare(std::span<const SequencePart> parts, unsigned threads) {
  tasks_.clear();
  const std::int64_t block = std::max<std::int64_t>(1, kQueries / group_);
  std::int64_t row = 0, longest = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const SequencePart& part = parts[i];
    longest = std::max(longest, part.start + part.count);
    for (std::int64_t head = 0; head < architecture_.kv_heads; ++head) {
      for (std::int64_t at = 0; at < part.count; at += block) {
        tasks_.push_back({i, head, row + at, std::min(block, part.count - at), part.start + at});
      }
    }
    row += part.count;
  }
  // The longest first, so that threads end together.
  std::ranges::stable_sort(tasks_, std::ranges::greater(), [](const Task& task) {
    return task.count * (task.position + task.count);
  });
  scratch_.resize(threads);
  const auto rows = static_cast<std::size_t>(block * group_);
  const auto keys = static_cast<std::size_t>(round_up(longest, kKeyBlock));
  for (Scratch& scratch : scratch_) {
    scratch.scores.resize(std::max(scratch.scores.size(), rows * keys));
    scratch.weights.resize(std::max(scratch.weights.size(), rows * keys));
    scratch.result.resize(rows *
                          static_cast<std::size_t>(round_up(architecture_.head_dim, kPanelRows)));
  }
}

std::size_t PanelAttention::query_elements(std::int64_t rows) const {
  return static_cast<std::size_t>(rows * architecture_.heads * padded_dim_);
}

/// Heads that share keys lie side by side for each row: a block of rows is one left side.
std::size_t PanelAttention::query_offset(std::int64_t head, std::int64_t row,
                                         std::int64_t rows) const {
  return static_cast<std::size_t>(((head / group_ * rows + row) * group_ + head % group_) *
                                  padded_dim_);
}

void PanelAttention::compute(std::int64_t task_index, unsigned thread, const PanelCache& cache,
                             std::size_t layer, const LayerSpec& spec,
                             std::span<const std::int64_t> slots, const std::byte* queries,
                             std::int64_t rows, std::byte* out, std::int64_t out_stride) {
  const Task& task = tasks_[static_cast<std::size_t>(task_index)];
  Scratch& scratch = scratch_[thread];
  const std::int64_t slot = slots[task.part];
  const std::int64_t last = task.position + task.count;
  const std::int64_t first =
      spec.window == 0 ? 0 : std::max<std::int64_t>(0, task.position - spec.window + 1);
  const std::int64_t begin = first / kKeyBlock * kKeyBlock;
  const std::int64_t keys = round_up(last - begin, kKeyBlock);

  const PanelCache::View key_panels = cache.keys(layer, slot, task.head);
  Product scores;
  scores.a = queries + query_offset(task.head * group_, task.row, rows) * kernels_.width();
  scores.a_stride = padded_dim_;
  scores.rows = task.count * group_;
  scores.panels =
      key_panels.data + static_cast<std::size_t>(begin / kPanelRows) * key_panels.panel_stride;
  scores.panel_stride = key_panels.panel_stride;
  scores.panel_count = keys / kPanelRows;
  scores.padded_columns = padded_dim_;
  scores.c = scratch.scores.data();
  scores.c_stride = keys;
  kernels_.multiply(scores);

  auto* weights = reinterpret_cast<std::byte*>(scratch.weights.data());
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    const std::int64_t position = task.position + i / group_;
    const std::int64_t from =
        spec.window == 0 ? 0 : std::max<std::int64_t>(0, position - spec.window + 1);
    kernels_.softmax(scores.c + i * keys, from - begin, position + 1 - begin, keys,
                     static_cast<float>(architecture_.attention_scale),
                     static_cast<float>(architecture_.attention_softcap),
                     weights + static_cast<std::size_t>(i * keys) * kernels_.width());
  }

  const PanelCache::View value_panels = cache.values(layer, slot, task.head);
  Product result;
  result.a = weights;
  result.a_stride = keys;
  result.rows = scores.rows;
  result.panels =
      value_panels.data + static_cast<std::size_t>(begin * kPanelRows) * kernels_.width();
  result.panel_stride = value_panels.panel_stride;
  result.panel_count = round_up(architecture_.head_dim, kPanelRows) / kPanelRows;
  result.padded_columns = keys;
  result.c = scratch.result.data();
  result.c_stride = result.panel_count * kPanelRows;
  kernels_.multiply(result);

  for (std::int64_t i = 0; i < result.rows; ++i) {
    const std::int64_t head = task.head * group_ + i % group_;
    const std::int64_t at = (task.row + i / group_) * out_stride + head * architecture_.head_dim;
    kernels_.round(result.c + i * result.c_stride, architecture_.head_dim,
                   out + static_cast<std::size_t>(at) * kernels_.width());
  }
}

}  // namespace expo
