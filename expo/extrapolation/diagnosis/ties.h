#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"

namespace expo {

/// From this share of ties on, 0 to 1, a checkpoint is warned of: values that are spread evenly
/// over float32 hold one in 65,536.
inline constexpr double kManyTies = 0.001;

/// The type that a tensor will be rounded to when it is run: `asked` where that is given, else
/// bfloat16 for what was stored in more than 16 bits or in quantised blocks, as vLLM and
/// transformers have it, and its own type for the rest.
DType serving_type(const Tensor& tensor, std::optional<DType> asked);
/// Likewise of most of a checkpoint's values.
DType serving_type(const Checkpoint& checkpoint, std::optional<DType> asked);

/// How many of `values`, whole elements of `from` (f16, bf16, f32 or f64) at any alignment, lie
/// exactly halfway between two finite numbers of `to`. Thread-safe.
std::uint64_t count_ties(std::span<const std::byte> values, DType from, DType to);

/// The share of a checkpoint's values that lie halfway between two numbers of serving_type(), 0 to
/// 1, in all of them or in a sample of a sixteenth (all of the small tensors). It does not depend
/// on the number of threads. Throws Error: input (a file was cut short), interrupted.
double tie_share(const Checkpoint& checkpoint, std::optional<DType> asked, bool sample,
                 unsigned threads, const CancellationToken& cancellation);

/// What that share means for a model that is trained from these weights, and what to do about it;
/// empty below kManyTies. `place` names the checkpoint.
std::string tie_sentence(const std::string& place, double share, DType type,
                         const std::string& remedy);

}  // namespace expo
