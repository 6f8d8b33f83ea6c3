#pragma once

#include <vector>

#include "expo/core/thread_team.h"
#include "expo/matrix/typed_kernels.h"
#include "expo/model/decoder.h"
#include "expo/model/panel/attention.h"
#include "expo/model/panel/cache.h"
#include "expo/model/panel/weights.h"
#include "expo/model/rotary_table.h"

namespace expo {

/// The forward pass on the CPU over weights in panels. Keys and values have the weights' type, as
/// have the left sides of products where the processor multiplies bfloat16; everything else,
/// including the residual stream, is float32. Results are batch-invariant.
class PanelDecoder final : public Decoder {
 public:
  /// `threads`: 0 means one for each processor.
  PanelDecoder(const Architecture& architecture, const PanelWeights& weights, unsigned threads);

  at::Tensor logits(const at::Tensor& hidden_states) override;
  std::unique_ptr<KvCache> make_cache(std::int64_t slots, std::int64_t capacity) const override;
  std::uint64_t cache_bytes_of_slot(std::int64_t capacity) const override;
  bool is_batch_invariant() const override { return true; }

 protected:
  at::Tensor compute(std::span<const std::int64_t> ids, std::span<const SequencePart> parts,
                     KvCache* cache) override;

 private:
  /// The place of one packed row.
  struct Row {
    std::int64_t slot;
    std::int64_t position;
  };
  /// A product of the whole batch with one matrix.
  struct Projection {
    const PanelMatrix* matrix;
    float* out;
    std::int64_t stride;
    bool add = false;
  };

  void prepare(std::span<const SequencePart> parts, bool has_cache);
  void embed(std::span<const std::int64_t> ids);
  void run_layers(const PanelCache& own_cache, bool one_layer, ThreadTeam::Member& member);
  void norm_rows(const PanelVector& weight, ThreadTeam::Member& member);
  void project(std::span<const Projection> projections, const std::byte* left,
               std::int64_t left_stride, ThreadTeam::Member& member);
  void turn_row(std::int64_t row, const PanelLayer& layer, const LayerSpec& spec,
                const PanelCache& cache, std::size_t cache_layer, unsigned worker);
  void turn_heads(float* x, std::int64_t heads, const PanelVector& bias, const PanelVector& norm,
                  bool rotates, std::int64_t position) const;
  void attend(const PanelAttention::Call& call, ThreadTeam::Member& member);
  void add_to_stream(const PanelMatrix& matrix, const PanelVector& bias,
                     const PanelVector& post_norm, const std::byte* left, std::int64_t left_stride,
                     ThreadTeam::Member& member);
  /// A section of one row's products with gate and up.
  struct GateRow {
    float* gate;
    float* up;
    std::int64_t count;
  };
  void gate_up(const PanelLayer& layer, ThreadTeam::Member& member);
  void gate_row(const PanelLayer& layer, std::int64_t row, std::int64_t first,
                const GateRow& values);
  float norm_offset() const { return architecture().norm_adds_one ? 1.0F : 0.0F; }

  const PanelWeights& weights_;
  TypedKernels kernels_;
  ThreadTeam team_;
  RotaryTable rotary_;
  PanelAttention attention_;

  // State of the batch that is running
  std::vector<Row> rows_;
  std::vector<std::int64_t> slots_;  ///< one slot for each part
  std::vector<float> stream_;        ///< the residual stream: [rows, hidden]
  std::vector<float> q_, k_, v_;     ///< [rows, rows of the matrix padded to whole panels]
  std::vector<float> added_;         ///< output that is normed before it is added to the stream
  std::vector<float> normed_;        ///< left side of products, as are:
  std::vector<float> queries_, attended_, gated_;
  std::vector<std::vector<float>> worker_scratch_;
  std::vector<float> logits_;
};

}  // namespace expo
