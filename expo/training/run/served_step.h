#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "expo/core/dtype.h"
#include "expo/core/json.h"
#include "expo/training/config/training_config.h"
#include "expo/training/model/bf16_fit.h"
#include "expo/training/model/trainable_model.h"
#include "expo/training/run/model_folder.h"

namespace expo {

/// What is left of the step Δ = θ − θ_sft of a training, which started from θ_sft, if the weights
/// are rounded to nearest in the type that they are served in; with LoRA, after the adapter is
/// merged into its base.
struct ServedStep {
  DType dtype = DType::bf16;
  std::uint64_t changed = 0;  ///< weights that the training changed
  std::uint64_t lost = 0;     ///< changed weights that round to the same value as before
  /// Σ(rounded(θ) − θ)·Δ/ΣΔ²: the α for which the rounded weights equal θ + αΔ along Δ. 0 means the
  /// step as it was trained, −1 none of it; std::nullopt if the training changed nothing.
  std::optional<double> effective_alpha;
};
Json to_json(const ServedStep& step);

/// The type that a result of this save_dtype is served in: its own if that has 16 bits; else
/// bfloat16, in which vLLM and transformers load float32 weights.
DType serving_dtype(DType save_dtype);

/// Compares the model with the checkpoint that it was read from, whose tensors it reads again.
/// Needs memory for one tensor.
ServedStep measure_served_step(const ModelSource& source, const TrainableModel& model, DType dtype);

/// The warning before a training that starts from weights of which more than kManyTies (ties.h) lie
/// halfway between two bfloat16 numbers; empty otherwise, and if the result is not served in
/// bfloat16. Other weights that bfloat16 does not represent do no harm: rounding to nearest keeps
/// their steps on average.
std::string start_warning(const Bf16Fit& fit, const TrainingConfig& config);

/// The warning after the training if the effective α is off by more than 0.02, or if the weights
/// are saved in the type that was measured; else empty. `result` is the folder that was written;
/// `has_new_head` says that it has a score head which the model it was trained from lacks.
std::string served_step_warning(const ServedStep& step, const TrainingConfig& config,
                                const std::string& result, bool has_new_head);

}  // namespace expo
