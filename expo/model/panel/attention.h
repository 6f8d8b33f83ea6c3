#pragma once

#include <span>
#include <vector>

#include "expo/matrix/typed_kernels.h"
#include "expo/model/panel/cache.h"

namespace expo {

/// Causal attention of packed rows over a PanelCache: softmax(scale · q kᵀ) v, with both products
/// by panels and the softmax of whole rows in float32. A row's result depends on its own query and
/// on the keys and values before it alone.
class PanelAttention {
 public:
  /// One head's queries of a block of rows: what a thread does at once.
  struct Task {
    std::size_t part;
    std::int64_t head;      ///< of keys and values
    std::int64_t row;       ///< first row in the packed batch
    std::int64_t count;     ///< rows
    std::int64_t position;  ///< of the first row in its sequence
  };

  PanelAttention(const Architecture& architecture, DType dtype);

  /// Cuts a batch into tasks, and makes room for `threads` threads to do them.
  void prepare(std::span<const SequencePart> parts, unsigned threads);
  std::int64_t tasks() const { return static_cast<std::int64_t>(tasks_.size()); }

  /// Elements of the queries of a batch of `rows` rows.
  std::size_t query_elements(std::int64_t rows) const;
  /// Where a query goes: of `head` in [0, heads), `padded_head_dim()` elements, zeros at their end.
  std::size_t query_offset(std::int64_t head, std::int64_t row, std::int64_t rows) const;
  std::int64_t padded_head_dim() const { return padded_dim_; }

  /// A layer's attention of the batch.
  struct Call {
    const PanelCache& cache;
    std::size_t layer;  ///< of the cache
    const LayerSpec& spec;
    std::span<const std::int64_t> slots;  ///< of each part
    const std::byte* queries;             ///< laid out as query_offset says
    std::int64_t rows;
    std::byte* out;           ///< rows of the type, heads side by side
    std::int64_t out_stride;  ///< elements
  };
  /// Threads may do different tasks at once, each with its own `thread`.
  void compute(std::int64_t task, unsigned thread, const Call& call);

 private:
  struct Scratch {
    std::vector<float> scores;
    std::vector<float> weights;  ///< of the type: half of it is used for bfloat16
    std::vector<float> result;
  };
  /// The keys that a task looks at: whole blocks.
  struct Keys {
    std::int64_t begin;
    std::int64_t count;
  };

  Keys keys_of(const Task& task, const LayerSpec& spec) const;
  void score(const Task& task, const Call& call, const Keys& keys, Scratch& scratch) const;
  void weigh(const Task& task, const LayerSpec& spec, const Keys& keys, Scratch& scratch) const;
  void mix(const Task& task, const Call& call, const Keys& keys, Scratch& scratch) const;

  const Architecture& architecture_;
  TypedKernels kernels_;
  std::int64_t group_;  ///< queries' heads to one of keys and values
  std::int64_t padded_dim_;
  std::vector<Task> tasks_;
  std::vector<Scratch> scratch_;
};

}  // namespace expo
