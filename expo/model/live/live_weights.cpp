#include "expo/model/live/live_weights.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/model/panel/store.h"
#include "expo/model/tensor/store.h"
#include "expo/model/tensor/weights.h"
#include "expo/model/wanted_tensors.h"
#include "expo/model/weight_filling.h"

namespace expo {
namespace {

std::unique_ptr<WeightStore> make_store(const Architecture& architecture,
                                        const LiveWeightsOptions& options) {
  if (options.device.is_cpu() && options.panels)
    return make_panel_store(architecture, options.dtype);
  return make_tensor_store(architecture, options.dtype, options.device);
}

}  // namespace

WeightMove plan_move(const Checkpoint& sft, const Checkpoint& aligned, const AlphaSchedule& alpha,
                     const LiveWeightsOptions& options, const CancellationToken& cancellation) {
  WeightMove move;
  move.plan = make_plan(sft, aligned, {alpha, options.dtype, options.on_mismatch}, cancellation);
  const RoundingRequest request{options.rounding, options.seed, options.threads};
  move.rounding = decide_rounding(&sft, aligned, move.plan, request, cancellation);
  return move;
}

LiveWeights::LiveWeights(const Architecture& architecture,
                         std::shared_ptr<const Checkpoint> aligned,
                         std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
                         const CancellationToken& cancellation,
                         const std::optional<WeightMove>& start)
    : architecture_(architecture),
      aligned_(std::move(aligned)),
      sft_(std::move(sft)),
      options_(options) {
  check_tensors();
  store_ = make_store(architecture, options);
  if (start) {
    require_sft();
    move(*start, true, cancellation);
  } else {
    fill(make_copy_plan(*aligned_, options_.dtype), true, cancellation);
  }
}

std::unique_ptr<Decoder> LiveWeights::make_decoder() const {
  return store_->make_decoder(architecture_, options_.threads);
}

void LiveWeights::check_tensors() const {
  // The tensors have no memory yet: none is allocated for config.json before the checkpoint agrees
  // with it.
  const auto wanted = allocate_weights(architecture_, at::device(at::kMeta));
  for (const auto& [name, tensor] : wanted.named) {
    require_tensor(*aligned_, name, tensor, architecture_);
  }
  for (const Tensor& tensor : aligned_->tensors()) {
    if (wanted.named.contains(tensor.name) || is_spare(tensor.name, architecture_)) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in config.json's architecture ({}), so the model would "
        "not compute what it was trained to",
        aligned_->location(), tensor.name, architecture_.model_type));
  }
}

void LiveWeights::move(const WeightMove& move, bool first_time,
                       const CancellationToken& cancellation) {
  rounding_ = move.rounding;
  fill(move.plan, first_time, cancellation);
  if (rounding_.overruled_by(deltas_)) fill(move.plan, false, cancellation);
}

void LiveWeights::fill(const Plan& plan, bool first_time, const CancellationToken& cancellation) {
  const unsigned threads = options_.threads != 0 ? options_.threads : available_threads();
  const bool unsure =
      rounding_.choice == RoundingChoice::automatic && rounding_.used == Rounding::nearest;
  const bool measures = sft_ && (options_.measures || unsure);
  WeightFilling filling(plan, sft_.get(), *aligned_, *store_,
                        {rounding_.used, rounding_.seed, options_.allow_overflow, measures,
                         "a wider type (--dtype f32)"});
  if (first_time) {
    filling.read_once(threads, cancellation);
  } else {
    filling.read_views(threads, cancellation);
  }
  deltas_ = measures ? filling.deltas() : std::vector<TensorDelta>();
}

void LiveWeights::require_sft() const {
  if (sft_) return;
  throw usage_error(aligned_->location() +
                    ": moving to another α needs the SFT checkpoint, but none is named");
}

void LiveWeights::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  require_sft();
  move_to(plan_move(*sft_, *aligned_, alpha, options_, cancellation), cancellation);
}

void LiveWeights::move_to(const WeightMove& settled, const CancellationToken& cancellation) {
  require_sft();
  move(settled, false, cancellation);
}

}  // namespace expo
