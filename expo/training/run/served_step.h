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

/// What is left of a training's step Δ = θ − θ_sft, θ_sft being the model that it began with, where
/// the weights are rounded to nearest to the type that they are served in; with LoRA, once the
/// adapter is merged into its base.
struct ServedStep {
  DType dtype = DType::bf16;
  std::uint64_t changed = 0;  ///< weights that the training moved
  std::uint64_t lost = 0;     ///< of these, those that round to what they rounded to before
  /// Σ(rounded(θ) − θ)·Δ/ΣΔ²: the rounded weights are, along Δ, those of θ + αΔ. 0: the step as it
  /// was trained; −1: none of it. Nothing where the training moved nothing.
  std::optional<double> effective_alpha;
};
Json to_json(const ServedStep& step);

/// The type that a result of that save_dtype is served in: its own if that has 16 bits, else
/// bfloat16, as vLLM and transformers load float32 weights in it.
DType serving_dtype(DType save_dtype);

/// Compares the model with the checkpoint that it was read from, whose tensors it reads again.
/// Takes memory for one tensor.
ServedStep measure_served_step(const ModelSource& source, const TrainableModel& model, DType dtype);

/// The warning before a training that starts from weights of which more than kManyTies (ties.h) lie
/// halfway between two bfloat16 numbers; empty otherwise, and if the result is not served in
/// bfloat16. Other weights that bfloat16 does not represent do no harm: rounding to nearest keeps
/// their steps on average.
std::string start_warning(const Bf16Fit& fit, const TrainingConfig& config);

/// What there is to say after it: where the effective α is more than 0.02 off, or where the weights
/// are saved as what was measured. Else empty. `result` is the folder that was
/// written; `has_new_head` says that it has a score head which the model it was trained from lacks.
std::string served_step_warning(const ServedStep& step, const TrainingConfig& config,
                                const std::string& result, bool has_new_head);

}  // namespace expo
