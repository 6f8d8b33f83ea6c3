#include "expo/model/live_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/extrapolation/planned_values.h"
#include "expo/extrapolation/tensor_blocks.h"

namespace expo {
namespace {

at::ScalarType scalar_type(DType dtype) {
  if (dtype == DType::f32) return at::kFloat;
  if (dtype == DType::bf16) return at::kBFloat16;
  throw usage_error(fmt::format("models run in float32 or bfloat16, not in {}", torch_name(dtype)));
}

std::vector<std::uint64_t> shape_of(const at::Tensor& tensor) {
  return {tensor.sizes().begin(), tensor.sizes().end()};
}

/// Tensors that checkpoints hold and a forward pass computes itself or, where the head is tied, does
/// not look at.
bool is_spare(const std::string& name, const Architecture& architecture) {
  if (name.ends_with(".rotary_emb.inv_freq")) return true;
  const bool unused_head = architecture.tied_head || architecture.head == ModelHead::score;
  return name == "lm_head.weight" && unused_head;
}

/// One thread's memory.
struct Worker {
  ReadScratch sft;
  ReadScratch aligned;
  AlignedBuffer values;
};

/// Writes the values of a plan into live tensors.
class Filling {
 public:
  Filling(const Plan& plan, const Checkpoint* sft, const Checkpoint& aligned,
          DecoderWeights& weights, const LiveWeightsOptions& options)
      : plan_(plan),
        sft_(sft),
        aligned_(aligned),
        weights_(weights),
        options_(options),
        values_(sft, aligned, {options.rounding, options.seed, options.allow_overflow}) {}

  void run(const CancellationToken& cancellation) {
    std::vector<TensorBlock> blocks;
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      const Tensor& tensor = aligned_.tensors()[plan_.tensors[i].aligned];
      if (!weights_.named.contains(tensor.name)) continue;
      append_blocks(i, tensor.elements(), tensor.shape.empty() ? 1 : tensor.shape.back(), false,
                    blocks);
    }
    const unsigned threads = options_.threads != 0 ? options_.threads : available_threads();
    std::vector<Worker> workers(threads);
    parallel_for(blocks.size(), threads, [&](std::size_t block, unsigned worker) {
      cancellation.check();
      fill(blocks[block], workers[worker]);
    });
  }

 private:
  void fill(const TensorBlock& block, Worker& worker) {
    const TensorPlan& plan = plan_.tensors[block.tensor];
    const at::Tensor& target = weights_.named.at(aligned_.tensors()[plan.aligned].name);
    const std::size_t width = byte_width(options_.dtype);
    const std::size_t bytes = static_cast<std::size_t>(block.count) * width;
    if (target.is_cpu()) {
      auto* data = static_cast<std::byte*>(target.mutable_data_ptr()) + block.first * width;
      compute(plan, block, worker, {data, bytes});
      return;
    }
    const auto staged = worker.values.get(bytes);
    compute(plan, block, worker, staged);
    const auto count = static_cast<std::int64_t>(block.count);
    target.view({-1})
        .narrow(0, static_cast<std::int64_t>(block.first), count)
        .copy_(at::from_blob(staged.data(), {count}, scalar_type(options_.dtype)));
  }

  void compute(const TensorPlan& plan, const TensorBlock& block, Worker& worker,
               std::span<std::byte> out) const {
    const std::uint64_t common = common_elements(plan, block.first, block.count);
    std::span<const std::byte> sft;
    if (common > 0) sft = sft_->read(*plan.sft, block.first, common, worker.sft);
    const auto aligned = aligned_.read(plan.aligned, block.first, block.count, worker.aligned);
    values_.compute(plan, {block.first, block.count}, options_.dtype, sft, aligned, out);
  }

  const Plan& plan_;
  const Checkpoint* sft_;
  const Checkpoint& aligned_;
  DecoderWeights& weights_;
  const LiveWeightsOptions& options_;
  PlannedValues values_;
};

}  // namespace

LiveWeights::LiveWeights(const Architecture& architecture,
                         std::shared_ptr<const Checkpoint> aligned,
                         std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
                         const CancellationToken& cancellation)
    : aligned_(std::move(aligned)),
      sft_(std::move(sft)),
      options_(options),
      weights_(allocate_weights(
          architecture,
          at::TensorOptions().dtype(scalar_type(options.dtype)).device(options.device))) {
  check_tensors(architecture);
  fill(make_copy_plan(*aligned_, options_.dtype), nullptr, cancellation);
}

void LiveWeights::check_tensors(const Architecture& architecture) const {
  for (const auto& [name, tensor] : weights_.named) {
    const auto index = aligned_->find(name);
    if (!index) {
      throw input_error(fmt::format(
          "{}: the tensor \"{}\" is missing, which config.json's architecture ({}) has",
          aligned_->location(), name, architecture.model_type));
    }
    const Tensor& found = aligned_->tensors()[*index];
    if (found.shape != shape_of(tensor) || !supports_arithmetic(found.dtype)) {
      throw input_error(fmt::format(
          "{}: the tensor \"{}\" is {} {}, where config.json asks for floating values of shape {}",
          aligned_->location(), name, safetensors_name(found.dtype), format_shape(found.shape),
          format_shape(shape_of(tensor))));
    }
  }
  for (const Tensor& tensor : aligned_->tensors()) {
    if (weights_.named.contains(tensor.name) || is_spare(tensor.name, architecture)) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in config.json's architecture ({}), so that the model "
        "would not compute what it was trained for",
        aligned_->location(), tensor.name, architecture.model_type));
  }
}

void LiveWeights::fill(const Plan& plan, const Checkpoint* sft,
                       const CancellationToken& cancellation) {
  Filling(plan, sft, *aligned_, weights_, options_).run(cancellation);
}

void LiveWeights::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  if (!sft_) {
    throw usage_error(aligned_->location() +
                      ": to move to another α the SFT checkpoint is needed too, and none is named");
  }
  PlanOptions plan{alpha, options_.dtype, options_.on_mismatch};
  fill(make_plan(*sft_, *aligned_, plan, cancellation), sft_.get(), cancellation);
}

}  // namespace expo
