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

/// A move of live weights that is settled, but not made: what becomes of every tensor, and how it
/// is rounded.
struct WeightMove {
  Plan plan;
  RoundingDecision rounding;
};

/// How weights are held in memory, and how they move.
struct LiveWeightsOptions {
  DType dtype = DType::f32;  ///< f32 or bf16
  at::Device device = at::kCPU;
  RoundingChoice rounding = RoundingChoice::automatic;
  std::uint64_t seed = 0;  ///< of stochastic rounding
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool allow_overflow = false;
  unsigned threads = 0;  ///< that move the weights and run them; 0: one for each processor
  /// Weights in panels, which the CPU alone has; false: plain tensors there too.
  bool panels = true;
  /// Whether each move takes the sums of deltas(), which costs half as much again. Moves that
  /// RoundingChoice::automatic rounds to nearest take them anyway.
  bool measures = false;
};

/// Settles a move to α: makes the plan for options.dtype and decides about rounding, for which it
/// may read a sample. Throws as make_plan and decide_rounding do.
WeightMove plan_move(const Checkpoint& sft, const Checkpoint& aligned, const AlphaSchedule& alpha,
                     const LiveWeightsOptions& options, const CancellationToken& cancellation);

/// The weights of a running model, which can be set to θ + αΔ for any α without a checkpoint being
/// written. The two sources are read in pieces whenever the weights move; they do not stay in
/// memory. Not thread-safe: nothing may run on the weights while they move.
class LiveWeights {
 public:
  /// Holds θ (ALIGNED's weights) at first or, with `start`, what that move leads to; without `sft`
  /// it stays there. The architecture must outlive it. Throws Error(input) for a tensor that the
  /// architecture wants and the checkpoint lacks or has in another shape, and for one that the
  /// architecture does not know; Error(usage) for a dtype that is neither f32 nor bf16, and for a
  /// `start` without `sft`.
  LiveWeights(const Architecture& architecture, std::shared_ptr<const Checkpoint> aligned,
              std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
              const CancellationToken& cancellation,
              const std::optional<WeightMove>& start = std::nullopt);

  /// Bit for bit the weights that run_extrapolation writes for this α with the same dtype, rounding
  /// and seed. A move that nearest was chosen for by a sample, and that does not keep α after all,
  /// is made again with stochastic rounding. Throws Error(usage) where there is no SFT checkpoint,
  /// and as plan_move and PlannedValues do; after a throw from the middle (interrupted, an input
  /// cut short) the weights are a mixture, and only a further move_to makes them sound again.
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);
  /// A move that was settled for the same checkpoints and options.
  void move_to(const WeightMove& move, const CancellationToken& cancellation);

  /// How the weights were rounded by the last move; before any, to nearest.
  const RoundingDecision& rounding() const { return rounding_; }
  /// What the last move changed, tensor by tensor, where options.measures is set.
  const std::vector<TensorDelta>& deltas() const { return deltas_; }

  const WeightStore& store() const { return *store_; }
  /// The forward pass over these weights, which may move between its calls. Refers to this object
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
