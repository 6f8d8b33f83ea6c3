#include "expo/extrapolation/diagnosis/rounding_decision.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/parallel.h"
#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/plan/planned_values.h"
#include "expo/extrapolation/plan/tensor_blocks.h"

namespace expo {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 14;
constexpr std::uint64_t kStride = 64;  ///< in blocks

/// Takes one block of every stride, and at least one of the tensor. The place of the first one in
/// the stride differs from tensor to tensor, because the rows of a tensor are not all alike.
void append_sample(std::size_t number, const TensorPlan& plan, std::vector<TensorBlock>& blocks) {
  const std::uint64_t whole = (plan.common + kBlock - 1) / kBlock;
  if (whole == 0) return;
  const std::uint64_t start = 37 * (std::uint64_t{number} + 1) % std::min(whole, kStride);
  for (std::uint64_t block = start; block < whole; block += kStride) {
    const std::uint64_t first = block * kBlock;
    blocks.push_back({number, first, std::min(kBlock, plan.common - first)});
  }
}

/// Measures on a sample what a rounding makes of a plan.
class Sample {
 public:
  Sample(const Checkpoint& sft, const Checkpoint& aligned, const Plan& plan,
         const PlannedValues::Options& options)
      : sft_(sft), aligned_(aligned), plan_(plan), values_(&sft, aligned, options) {
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
      if (plan.tensors[i].sft) append_sample(i, plan.tensors[i], blocks_);
    }
  }

  /// With the α of the plan.
  std::vector<TensorDelta> measure(unsigned threads, const CancellationToken& cancellation) const {
    std::vector<DeltaSums> sums(blocks_.size());
    read(threads, cancellation,
         [&](std::size_t index, const KernelInput& input) { sums[index] = extrapolate(input); });
    return fold(sums);
  }

  /// With each of these α for all tensors instead.
  std::vector<std::vector<TensorDelta>> measure(std::span<const double> alphas, unsigned threads,
                                                const CancellationToken& cancellation) const {
    std::vector<std::vector<DeltaSums>> sums(alphas.size(), std::vector<DeltaSums>(blocks_.size()));
    read(threads, cancellation, [&](std::size_t index, KernelInput input) {
      for (std::size_t i = 0; i < alphas.size(); ++i) {
        input.alpha = alphas[i];
        sums[i][index] = extrapolate(input);
      }
    });
    std::vector<std::vector<TensorDelta>> result;
    for (const auto& each : sums) result.push_back(fold(each));
    return result;
  }

 private:
  /// Calls work(number of the block, input of the kernel) for each block of the sample.
  template <typename Work>
  void read(unsigned threads, const CancellationToken& cancellation, const Work& work) const {
    if (threads == 0) threads = available_threads();
    std::vector<std::pair<ReadScratch, ReadScratch>> scratch(threads);
    parallel_for(blocks_.size(), threads, [&](std::size_t index, unsigned worker) {
      cancellation.check();
      const TensorBlock& block = blocks_[index];
      const TensorPlan& plan = plan_.tensors[block.tensor];
      auto& [sft, aligned] = scratch[worker];
      const auto theta = aligned_.read(plan.aligned, block.first, block.count, aligned);
      const auto theta_sft = sft_.read(*plan.sft, block.first, block.count, sft);
      work(index,
           values_.kernel_input(plan, {block.first, block.count}, plan.out_type, theta_sft, theta));
    });
  }

  std::vector<TensorDelta> fold(const std::vector<DeltaSums>& sums) const {
    std::vector<TensorDelta> deltas;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const TensorPlan& plan = plan_.tensors[blocks_[i].tensor];
      if (i == 0 || blocks_[i - 1].tensor != blocks_[i].tensor)
        deltas.push_back({aligned_.tensors()[plan.aligned].name, plan.common, {}, plan.alpha});
      deltas.back().sums += sums[i];
    }
    for (TensorDelta& tensor : deltas) tensor.sums = scaled(tensor.sums, tensor.elements);
    return deltas;
  }

  const Checkpoint& sft_;
  const Checkpoint& aligned_;
  const Plan& plan_;
  PlannedValues values_;
  std::vector<TensorBlock> blocks_;
};

Rounding insisted_on(RoundingChoice choice) {
  if (choice == RoundingChoice::stochastic) return Rounding::stochastic;
  if (choice == RoundingChoice::like_original) return Rounding::like_original;
  return Rounding::nearest;
}

/// Enters the result of rounding to nearest, and chooses stochastic rounding if that does not keep
/// α.
void judge_nearest(RoundingDecision& decision, const std::vector<TensorDelta>& deltas) {
  decision.asked_alpha = asked_alpha(deltas);
  decision.nearest_alpha = summarise(total(deltas)).effective_alpha;
  if (decision.nearest_alpha && !keeps_alpha(*decision.asked_alpha, *decision.nearest_alpha))
    decision.used = Rounding::stochastic;
}

}  // namespace

bool RoundingDecision::overruled_by(const std::vector<TensorDelta>& deltas) {
  const bool may_be = choice == RoundingChoice::automatic && used == Rounding::nearest && sampled;
  if (!may_be || deltas.empty()) return false;
  RoundingDecision whole = *this;
  whole.sampled = false;
  judge_nearest(whole, deltas);
  if (whole.used != Rounding::stochastic) return false;
  *this = whole;
  return true;
}

RoundingDecision decide_rounding(const Checkpoint* sft, const Checkpoint& aligned, const Plan& plan,
                                 const RoundingRequest& request,
                                 const CancellationToken& cancellation) {
  RoundingDecision decision{request.choice, insisted_on(request.choice), request.seed};
  if (request.choice != RoundingChoice::automatic) return decision;
  if (!request.allows_stochastic) {
    decision.sampled = false;
  } else if (sft != nullptr) {
    judge_nearest(decision, Sample(*sft, aligned, plan, {}).measure(request.threads, cancellation));
  }
  return decision;
}

std::vector<DeltaSummary> sample_effects(const Checkpoint& sft, const Checkpoint& aligned,
                                         const Plan& plan, std::span<const double> alphas,
                                         const RoundingRequest& request,
                                         const CancellationToken& cancellation) {
  PlannedValues::Options options;
  options.rounding = insisted_on(request.choice);
  options.seed = request.seed;
  const Sample sample(sft, aligned, plan, options);
  std::vector<DeltaSummary> result;
  for (const auto& deltas : sample.measure(alphas, request.threads, cancellation))
    result.push_back(summarise(total(deltas)));
  return result;
}

std::string describe(const RoundingDecision& decision) {
  if (decision.choice != RoundingChoice::automatic || decision.used != Rounding::stochastic)
    return {};
  return fmt::format(
      "rounding is stochastic, with seed {}: rounded to nearest, the α of {:.4g} that was asked "
      "for would have the effect of {:.4g}{}",
      decision.seed, decision.asked_alpha.value_or(0), decision.nearest_alpha.value_or(0),
      decision.sampled ? ", judged by a sample of the weights" : "");
}

Json to_json(const RoundingDecision& decision) {
  return {{"choice", rounding_name(decision.choice)},
          {"used", rounding_name(decision.used)},
          {"seed", decision.seed},
          {"nearest_effective_alpha",
           decision.nearest_alpha ? Json(*decision.nearest_alpha) : Json(nullptr)}};
}

}  // namespace expo
