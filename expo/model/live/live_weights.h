#pragma once

#include <memory>
#include <optional>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/model/weight_store.h"

namespace expo {

struct LiveWeightsOptions {
  DType dtype = DType::f32;  ///< f32 or bf16
  at::Device device = at::kCPU;
  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;  ///< of Rounding::stochastic
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool allow_overflow = false;
  unsigned threads = 0;  ///< that move the weights and run them; 0: one for each processor
  /// Weights in panels, which the CPU alone has; false: plain tensors there too.
  bool panels = true;
  /// Whether each move takes the sums of deltas(), which costs half as much again.
  bool measures = false;
  /// Where they are at first; nothing: θ.
  std::optional<AlphaSchedule> alpha = {};
};

/// The weights of a running model, which can be set to θ + αΔ for any α without a checkpoint being
/// written. The two sources are read in pieces whenever the weights move; they do not stay in
/// memory. Not thread-safe: nothing may run on the weights while they move.
class LiveWeights {
 public:
  /// Holds what options.alpha says at first; without `sft` it cannot move from θ (ALIGNED's
  /// weights). The architecture must
  /// outlive it. Throws Error(input) for a
  /// tensor that the architecture wants and the checkpoint lacks or has in another shape, and for
  /// one that the architecture does not know; Error(usage) for a dtype that is neither f32 nor
  /// bf16.
  LiveWeights(const Architecture& architecture, std::shared_ptr<const Checkpoint> aligned,
              std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
              const CancellationToken& cancellation);

  /// Bit for bit the weights that run_extrapolation writes for this α with the same dtype, rounding
  /// and seed. Throws Error(usage) where there is no SFT checkpoint, and as make_plan and
  /// PlannedValues do; after a throw from the middle (interrupted, an input cut short) the weights
  /// are a mixture, and only a further move_to makes them sound again.
  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);

  /// What the last move changed, tensor by tensor, where options.measures is set.
  const std::vector<TensorDelta>& deltas() const { return deltas_; }

  const WeightStore& store() const { return *store_; }
  /// The forward pass over these weights, which may move between its calls. Refers to this object
  /// and its architecture.
  std::unique_ptr<Decoder> make_decoder() const;
  DType dtype() const { return options_.dtype; }

 private:
  void check_tensors() const;
  Plan plan_of(const AlphaSchedule& alpha, const CancellationToken& cancellation) const;
  void fill(const Plan& plan, bool first_time, const CancellationToken& cancellation);

  const Architecture& architecture_;
  std::shared_ptr<const Checkpoint> aligned_;
  std::shared_ptr<const Checkpoint> sft_;
  LiveWeightsOptions options_;
  std::unique_ptr<WeightStore> store_;
  std::vector<TensorDelta> deltas_;
};

}  // namespace expo
