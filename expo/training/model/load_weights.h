#pragma once

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/training/model/bf16_fit.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Reads the values of one of a checkpoint's tensors, piece by piece, into a tensor with the same
/// number of elements, on any device, rounded to its type. Returns how the checkpoint's values fit
/// the bfloat16 numbers.
Bf16Fit copy_values(const Checkpoint& checkpoint, std::size_t index, const at::Tensor& target,
                    const CancellationToken& cancellation);

/// Reads a checkpoint's values into TrainableModel::named, rounded to their type, and refreshes the
/// parameters. Throws Error(input) if the checkpoint lacks a tensor of the architecture, has it in
/// another shape, or has a tensor that the architecture does not know. A score head that the
/// checkpoint of a language model lacks is drawn from N(0, 0.02²) with `seed`. Returns how the
/// checkpoint's values, before any rounding, fit the bfloat16 numbers.
Bf16Fit load_weights(const Checkpoint& checkpoint, std::uint64_t seed,
                     const CancellationToken& cancellation, TrainableModel& model);

}  // namespace expo
