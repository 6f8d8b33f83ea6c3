#include "expo/training/run/served_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/ties.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/training/model/tensor_writer.h"

namespace expo {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;  // elements measured at once

double percent(std::uint64_t part, std::uint64_t whole) {
  return 100 * static_cast<double>(part) / static_cast<double>(std::max<std::uint64_t>(whole, 1));
}

/// What the adapters add to the weight of each module that they are trained for: scale·B·A.
class MergedUpdates {
 public:
  explicit MergedUpdates(const TrainableModel& model) : model_(model) {
    for (const LayerAdapters& layer : model.adapters) {
      for (const auto& product : layer) {
        for (const LoraAdapter& adapter : product) {
          if (adapter.trained) adapters_[adapter.module + ".weight"] = &adapter;
        }
      }
    }
  }

  /// Returns float32 in CPU memory; undefined if the weight stays the same.
  at::Tensor of(const std::string& name) const {
    const auto found = adapters_.find(name);
    if (found == adapters_.end()) return {};
    const auto& all = model_.parameters.all();
    const at::Tensor a = all[found->second->a].value.to(at::kCPU);
    const at::Tensor b = all[found->second->b].value.to(at::kCPU);
    return at::mm(b, a).mul_(model_.adapter_scale);
  }

 private:
  const TrainableModel& model_;
  std::map<std::string, const LoraAdapter*> adapters_;
};

class Measurement {
 public:
  Measurement(const Checkpoint& checkpoint, DType dtype) : checkpoint_(checkpoint), dtype_(dtype) {}

  /// Adds a tensor, given its present values.
  void add_values(std::size_t index, const at::Tensor& values) {
    each_block(index, [&](std::uint64_t first, std::uint64_t count, const std::byte* before) {
      const at::Tensor now = block(values, first, count).to(at::kCPU, at::kFloat).contiguous();
      add_block(index, before, now);
    });
  }

  /// Adds a tensor, given what the training added to it.
  void add_update(std::size_t index, const at::Tensor& update) {
    const DType type = checkpoint_.tensors()[index].dtype;
    each_block(index, [&](std::uint64_t first, std::uint64_t count, const std::byte* before) {
      const at::Tensor start = at::from_blob(
          const_cast<std::byte*>(before), {static_cast<std::int64_t>(count)}, scalar_type_of(type));
      add_block(index, before, start.to(at::kFloat).add(block(update, first, count)));
    });
  }

  /// The kernel's Δ is −Δ here, and along it the result is −(1 + α) away from θ_sft.
  ServedStep result() const {
    ServedStep step{dtype_, sums_.changed, sums_.lost, std::nullopt};
    if (sums_.delta_squared > 0)
      step.effective_alpha = -sums_.applied_dot_delta / sums_.delta_squared - 1;
    return step;
  }

 private:
  static at::Tensor block(const at::Tensor& values, std::uint64_t first, std::uint64_t count) {
    return values.reshape({-1}).narrow(0, static_cast<std::int64_t>(first),
                                       static_cast<std::int64_t>(count));
  }

  template <typename Visit>
  void each_block(std::size_t index, const Visit& visit) {
    const Tensor& tensor = checkpoint_.tensors()[index];
    for (std::uint64_t first = 0; first < tensor.elements(); first += kBlock) {
      const std::uint64_t count = std::min(kBlock, tensor.elements() - first);
      visit(first, count, checkpoint_.read(index, first, count, scratch_).data());
    }
  }

  /// θ is θ_sft − (θ_sft − θ): with the two models exchanged and α = −1, the kernel rounds θ and
  /// counts as lost the values that round to the same as θ_sft.
  void add_block(std::size_t index, const std::byte* before, const at::Tensor& now) {
    KernelInput input;
    input.sft = static_cast<const std::byte*>(now.const_data_ptr());
    input.sft_type = DType::f32;
    input.aligned = before;
    input.aligned_type = checkpoint_.tensors()[index].dtype;
    input.out_type = dtype_;
    input.count = static_cast<std::size_t>(now.numel());
    input.alpha = -1;
    sums_ += extrapolate(input);
  }

  const Checkpoint& checkpoint_;
  DType dtype_;
  ReadScratch scratch_;
  DeltaSums sums_;
};

}  // namespace

Json to_json(const ServedStep& step) {
  return {{"dtype", torch_name(step.dtype)},
          {"effective_alpha", step.effective_alpha ? Json(*step.effective_alpha) : Json()},
          {"changed", step.changed},
          {"lost", step.lost}};
}

DType serving_dtype(DType save_dtype) {
  return save_dtype == DType::f16 ? DType::f16 : DType::bf16;
}

ServedStep measure_served_step(const ModelSource& source, const TrainableModel& model,
                               DType dtype) {
  const Checkpoint& checkpoint = *source.checkpoint;
  const MergedUpdates updates(model);
  Measurement measurement(checkpoint, dtype);
  for (const auto& [name, value] : model.named) {
    const auto index = checkpoint.find(name);
    if (!index || !supports_arithmetic(checkpoint.tensors()[*index].dtype)) continue;
    // With adapters, all weights are frozen except the head of a reward model.
    if (!model.is_lora() || name == "score.weight") {
      measurement.add_values(*index, value);
    } else if (const at::Tensor update = updates.of(name); update.defined()) {
      measurement.add_update(*index, update);
    }
  }
  return measurement.result();
}

std::string start_warning(const Bf16Fit& fit, const TrainingConfig& config) {
  if (serving_dtype(config.save_dtype) != DType::bf16) return {};
  if (static_cast<double>(fit.ties) <= kManyTies * static_cast<double>(fit.values)) return {};
  return fmt::format(
      "{}: {:.1f} % of the weights lie between two bfloat16 numbers, {:.1f} % exactly half-way "
      "(ties); if the result is {}served in bfloat16, the ties fall to the side of the step, "
      "however small it is, and the served step differs from the trained one; to start from "
      "weights that bfloat16 represents, run expo convert {} OUT --out-dtype bf16, and train OUT",
      config.model_name_or_path, percent(fit.between, fit.values), percent(fit.ties, fit.values),
      config.use_peft ? "merged and " : "", config.model_name_or_path);
}

std::string served_step_warning(const ServedStep& step, const TrainingConfig& config,
                                const std::string& result, bool has_new_head) {
  if (!step.effective_alpha) return {};
  const std::string left = fmt::format(
      "{} of the {} weights that the training changed ({:.1f} %) are the same as before, and the "
      "model has an effective α of {:.3f} (0: as trained; −1: as before)",
      step.lost, step.changed, percent(step.lost, step.changed), *step.effective_alpha);
  if (config.save_dtype == step.dtype && !config.use_peft)
    return fmt::format("saved as {}, {}; save_dtype float32 keeps the step", torch_name(step.dtype),
                       left);
  if (keeps_alpha(0, *step.effective_alpha)) return {};
  return fmt::format(
      "{} in {}, with every weight rounded to nearest{}, {}; expo extrapolate {} {} -o OUT "
      "--alpha 0 --out-dtype {} --rounding stochastic{} writes a model that keeps the step",
      config.use_peft ? "merged into its base and served" : "served", torch_name(step.dtype),
      config.use_peft ? "" : ", as vLLM and transformers load float32 weights", left,
      config.model_name_or_path, result, step.dtype == DType::f16 ? "f16" : "bf16",
      has_new_head ? " --on-mismatch aligned" : "");
}

}  // namespace expo
