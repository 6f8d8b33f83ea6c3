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

LiveWeights::LiveWeights(const Architecture& architecture,
                         std::shared_ptr<const Checkpoint> aligned,
                         std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
                         const CancellationToken& cancellation)
    : architecture_(architecture),
      aligned_(std::move(aligned)),
      sft_(std::move(sft)),
      options_(options) {
  check_tensors();
  store_ = make_store(architecture, options);
  const Plan plan = options_.alpha ? plan_of(*options_.alpha, cancellation)
                                   : make_copy_plan(*aligned_, options_.dtype);
  fill(plan, true, cancellation);
}

std::unique_ptr<Decoder> LiveWeights::make_decoder() const {
  return store_->make_decoder(architecture_, options_.threads);
}

void LiveWeights::check_tensors() const {
  // Without memory: config.json is not trusted with any before the checkpoint agrees with it.
  const auto wanted = allocate_weights(architecture_, at::device(at::kMeta));
  for (const auto& [name, tensor] : wanted.named) {
    require_tensor(*aligned_, name, tensor, architecture_);
  }
  for (const Tensor& tensor : aligned_->tensors()) {
    if (wanted.named.contains(tensor.name) || is_spare(tensor.name, architecture_)) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in config.json's architecture ({}), so that the model "
        "would not compute what it was trained for",
        aligned_->location(), tensor.name, architecture_.model_type));
  }
}

void LiveWeights::fill(const Plan& plan, bool first_time, const CancellationToken& cancellation) {
  const unsigned threads = options_.threads != 0 ? options_.threads : available_threads();
  WeightFilling filling(plan, sft_.get(), *aligned_, *store_,
                        {options_.rounding, options_.seed, options_.allow_overflow,
                         options_.measures, "a wider type (--dtype f32)"});
  if (first_time) {
    filling.read_once(threads, cancellation);
  } else {
    filling.read_views(threads, cancellation);
  }
  deltas_ = options_.measures ? filling.deltas() : std::vector<TensorDelta>();
}

Plan LiveWeights::plan_of(const AlphaSchedule& alpha, const CancellationToken& cancellation) const {
  if (!sft_) {
    throw usage_error(aligned_->location() +
                      ": to move to another α the SFT checkpoint is needed too, and none is named");
  }
  return make_plan(*sft_, *aligned_, {alpha, options_.dtype, options_.on_mismatch}, cancellation);
}

void LiveWeights::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  fill(plan_of(alpha, cancellation), false, cancellation);
}

}  // namespace expo
