#include "expo/model/panel/attention.h"

#include <algorithm>

#include "expo/matrix/ceil_divide.h"

namespace expo {
namespace {

/// The queries that share a product: two AMX tiles.
constexpr std::int64_t kQueries = 32;
constexpr std::int64_t kKeyBlock = 32;

/// The first position that a query attends to.
std::int64_t first_seen(std::int64_t position, const LayerSpec& spec) {
  return spec.window == 0 ? 0 : std::max<std::int64_t>(0, position - spec.window + 1);
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
  // The longest tasks come first, so that the threads finish together.
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

/// Heads that share keys are adjacent for each row, so that a block of rows forms one left side.
std::size_t PanelAttention::query_offset(std::int64_t head, std::int64_t row,
                                         std::int64_t rows) const {
  return static_cast<std::size_t>(((head / group_ * rows + row) * group_ + head % group_) *
                                  padded_dim_);
}

void PanelAttention::compute(std::int64_t index, unsigned thread, const Call& call) {
  const Task& task = tasks_[static_cast<std::size_t>(index)];
  Scratch& scratch = scratch_[thread];
  const Keys keys = keys_of(task, call.spec);
  score(task, call, keys, scratch);
  weigh(task, call.spec, keys, scratch);
  mix(task, call, keys, scratch);
  const std::int64_t dim = architecture_.head_dim;
  const std::int64_t stride = round_up(dim, kPanelRows);
  for (std::int64_t i = 0; i < task.count * group_; ++i) {
    const std::int64_t head = task.head * group_ + i % group_;
    const std::int64_t at = (task.row + i / group_) * call.out_stride + head * dim;
    kernels_.round(scratch.result.data() + i * stride, dim,
                   call.out + static_cast<std::size_t>(at) * kernels_.left_width());
  }
}

PanelAttention::Keys PanelAttention::keys_of(const Task& task, const LayerSpec& spec) const {
  const std::int64_t begin = first_seen(task.position, spec) / kKeyBlock * kKeyBlock;
  return {begin, round_up(task.position + task.count - begin, kKeyBlock)};
}

void PanelAttention::score(const Task& task, const Call& call, const Keys& keys,
                           Scratch& scratch) const {
  const PanelCache::View view = call.cache.keys(call.layer, call.slots[task.part], task.head);
  Product product;
  product.a =
      call.queries + query_offset(task.head * group_, task.row, call.rows) * kernels_.left_width();
  product.a_stride = padded_dim_;
  product.rows = task.count * group_;
  product.panels =
      view.data + static_cast<std::size_t>(keys.begin / kPanelRows) * view.panel_stride;
  product.panel_stride = view.panel_stride;
  product.panel_count = keys.count / kPanelRows;
  product.padded_columns = padded_dim_;
  product.c = scratch.scores.data();
  product.c_stride = keys.count;
  kernels_.multiply(product);
}

void PanelAttention::weigh(const Task& task, const LayerSpec& spec, const Keys& keys,
                           Scratch& scratch) const {
  auto* weights = reinterpret_cast<std::byte*>(scratch.weights.data());
  for (std::int64_t i = 0; i < task.count * group_; ++i) {
    const std::int64_t position = task.position + i / group_;
    kernels_.softmax(scratch.scores.data() + i * keys.count,
                     first_seen(position, spec) - keys.begin, position + 1 - keys.begin, keys.count,
                     static_cast<float>(architecture_.attention_scale),
                     static_cast<float>(architecture_.attention_softcap),
                     weights + static_cast<std::size_t>(i * keys.count) * kernels_.left_width());
  }
}

void PanelAttention::mix(const Task& task, const Call& call, const Keys& keys,
                         Scratch& scratch) const {
  const PanelCache::View view = call.cache.values(call.layer, call.slots[task.part], task.head);
  Product product;
  product.a = scratch.weights.data();
  product.a_stride = keys.count;
  product.rows = task.count * group_;
  product.panels =
      view.data + static_cast<std::size_t>(keys.begin * kPanelRows) * kernels_.panel_width();
  product.panel_stride = view.panel_stride;
  product.panel_count = round_up(architecture_.head_dim, kPanelRows) / kPanelRows;
  product.padded_columns = keys.count;
  product.c = scratch.result.data();
  product.c_stride = product.panel_count * kPanelRows;
  kernels_.multiply(product);
}

}  // namespace expo
