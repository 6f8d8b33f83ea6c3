#pragma once

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/training/model/bf16_fit.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Reads the values of one of a checkpoint's tensors, a piece at a time, into a tensor of as many
/// elements, on any device, rounded to its type. Returns how those of the checkpoint lie among the
/// bfloat16 numbers.
Bf16Fit copy_values(const Checkpoint& checkpoint, std::size_t index, const at::Tensor& target,
                    const CancellationToken& cancellation);

/// Reads a checkpoint's values into TrainableModel::named, rounded to their type, and refreshes the
/// parameters. Throws Error(input) for a tensor that the architecture wants and the checkpoint
/// lacks or has in another shape, and for one that the architecture does not know. A score head
/// that the checkpoint of a language model lacks is drawn from N(0, 0.02²) with `seed`.
/// Returns how the checkpoint's values, before any rounding, lie among the bfloat16 numbers.
Bf16Fit load_weights(const Checkpoint& checkpoint, std::uint64_t seed,
                     const CancellationToken& cancellation, TrainableModel& model);

}  // namespace expo
