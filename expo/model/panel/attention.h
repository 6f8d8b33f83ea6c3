#pragma once

#include <span>
#include <vector>

#include "expo/matrix/typed_kernels.h"
#include "expo/model/panel/cache.h"

namespace expo {

/// Causal attention of packed rows over a PanelCache: softmax(scale · q kᵀ) v, with both products
/// in panels and the softmax of whole rows in float32. The result of a row depends only on its own
/// query and on the keys and values up to its position.
class PanelAttention {
 public:
  /// One head's queries of a block of rows: the unit of work of a thread.
  struct Task {
    std::size_t part;
    std::int64_t head;      ///< head of the keys and values
    std::int64_t row;       ///< first row in the packed batch
    std::int64_t count;     ///< rows
    std::int64_t position;  ///< position of the first row in its sequence
  };

  PanelAttention(const Architecture& architecture, DType dtype);

  /// Cuts a batch into tasks and allocates scratch memory for `threads` threads.
  void prepare(std::span<const SequencePart> parts, unsigned threads);
  std::int64_t tasks() const { return static_cast<std::int64_t>(tasks_.size()); }

  /// The number of elements in the queries of a batch of `rows` rows.
  std::size_t query_elements(std::int64_t rows) const;
  /// The offset of the query of `head` in [0, heads): `padded_head_dim()` elements, with zeros at
  /// the end.
  std::size_t query_offset(std::int64_t head, std::int64_t row, std::int64_t rows) const;
  std::int64_t padded_head_dim() const { return padded_dim_; }

  /// The arguments of one layer's attention.
  struct Call {
    const PanelCache& cache;
    std::size_t layer;  ///< layer of the cache
    const LayerSpec& spec;
    std::span<const std::int64_t> slots;  ///< one slot for each part
    const std::byte* queries;             ///< laid out as query_offset describes
    std::int64_t rows;
    std::byte* out;           ///< rows of a left side, heads side by side
    std::int64_t out_stride;  ///< elements from one row to the next
  };
  /// Computes one task. Several threads may compute different tasks at once, each with its own
  /// `thread`.
  void compute(std::int64_t task, unsigned thread, const Call& call);

 private:
  /// The memory of one thread.
  struct Scratch {
    std::vector<float> scores;
    std::vector<float> weights;  ///< as a left side; bfloat16 uses half of the memory
    std::vector<float> result;
  };
  /// The keys that a task reads, in whole blocks.
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
  std::int64_t group_;  ///< query heads for each head of keys and values
  std::int64_t padded_dim_;
  std::vector<Task> tasks_;
  std::vector<Scratch> scratch_;
};

}  // namespace expo
