#pragma once

#include <memory>
#include <optional>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/model/weight_store.h"

namespace expo {

/// A planned move of live weights: what becomes of every tensor, and how it is rounded.
struct WeightMove {
  Plan plan;
  RoundingDecision rounding;
};

/// How weights are held in memory, and how they move.
struct LiveWeightsOptions {
  DType dtype = DType::f32;  ///< f32 or bf16
  at::Device device = at::kCPU;
  RoundingChoice rounding = RoundingChoice::automatic;
  std::uint64_t seed = 0;  ///< for stochastic rounding
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool allow_overflow = false;
  unsigned threads = 0;  ///< for moving and running the weights; 0: one per processor
  /// Store weights in panels, which exist on the CPU only; false: plain tensors on the CPU too.
  bool panels = true;
  /// Whether each move computes the sums of deltas(), which takes half as long again. Moves that
  /// RoundingChoice::automatic rounds to nearest compute them anyway.
  bool measures = false;
};

/// Plans a move to α: makes the plan for options.dtype and decides about rounding, for which it may
/// read a sample. Throws what make_plan and decide_rounding throw.
WeightMove plan_move(const Checkpoint& sft, const Checkpoint& aligned, const AlphaSchedule& alpha,
                     const LiveWeightsOptions& options, const CancellationToken& cancellation);

/// The weights of a running model, which can be set to θ + αΔ for any α without a checkpoint being
/// written. The two sources are read in pieces whenever the weights move, and do not stay in
/// memory. Not thread-safe: nothing may run on the weights while they move.
class LiveWeights {
 public:
  /// Loads θ (ALIGNED's weights) or, with `start`, the weights that this move leads to; without
  /// `sft` they cannot move. The architecture must outlive the object. Throws Error(input) if the
  /// checkpoint lacks a tensor of the architecture, has it in another shape, or has a tensor that
  /// the architecture does not know; throws Error(usage) for a dtype that is neither f32 nor bf16,
  /// and for a `start` without `sft`.
  LiveWeights(const Architecture& architecture, std::shared_ptr<const Checkpoint> aligned,
              std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
              const CancellationToken& cancellation,
              const std::optional<WeightMove>& start = std::nullopt);

  /// Makes the weights, bit for bit, those that run_extrapolation writes for this α with the same
  /// dtype, rounding and seed. If rounding to nearest was chosen by a sample but does not keep α
  /// after all, the move is made again with stochastic rounding. Throws Error(usage) if there is no
  /// SFT checkpoint, and what plan_move and PlannedValues throw. After an error in the middle of a
  /// move (interrupted, an input cut short) the weights are a mixture, and only another move_to
  /// makes them valid again.
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);
  /// Makes a move that was planned for the same checkpoints and options.
  void move_to(const WeightMove& move, const CancellationToken& cancellation);

  /// How the last move rounded the weights; to nearest before any move.
  const RoundingDecision& rounding() const { return rounding_; }
  /// What the last move changed, tensor by tensor, if options.measures is set.
  const std::vector<TensorDelta>& deltas() const { return deltas_; }

  const WeightStore& store() const { return *store_; }
  /// The forward pass over these weights, which may move between calls. It refers to this object
  /// and its architecture.
  std::unique_ptr<Decoder> make_decoder() const;
  DType dtype() const { return options_.dtype; }

 private:
  void check_tensors() const;
  void require_sft() const;
  void move(const WeightMove& move, bool first_time, const CancellationToken& cancellation);
  void fill(const Plan& plan, bool first_time, const CancellationToken& cancellation);

  const Architecture& architecture_;
  std::shared_ptr<const Checkpoint> aligned_;
  std::shared_ptr<const Checkpoint> sft_;
  LiveWeightsOptions options_;
  std::unique_ptr<WeightStore> store_;
  RoundingDecision rounding_;
  std::vector<TensorDelta> deltas_;
};

}  // namespace expo
