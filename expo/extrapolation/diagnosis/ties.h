#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"

namespace expo {

/// The share of ties, 0 to 1, from which on there is a warning about a checkpoint. Among values
/// that are spread evenly over float32, one in 65,536 is a tie.
inline constexpr double kManyTies = 0.001;

/// The type that a tensor will be rounded to when it is run: `asked` if that is given; else, as in
/// vLLM and transformers, bfloat16 for a tensor stored in more than 16 bits or in quantised blocks,
/// and its own type for the rest.
DType serving_type(const Tensor& tensor, std::optional<DType> asked);
/// The serving type of most of a checkpoint's values.
DType serving_type(const Checkpoint& checkpoint, std::optional<DType> asked);

/// Counts how many of `values`, whole elements of `from` (f16, bf16, f32 or f64) at any alignment,
/// lie exactly halfway between two finite numbers of `to`. Thread-safe.
std::uint64_t count_ties(std::span<const std::byte> values, DType from, DType to);

/// The share of a checkpoint's values that lie halfway between two numbers of serving_type(), 0 to
/// 1, measured over all of them or over a sample of a sixteenth (with all of the small tensors). It
/// does not depend on the number of threads. Throws Error: input (a file was cut short),
/// interrupted.
double tie_share(const Checkpoint& checkpoint, std::optional<DType> asked, bool sample,
                 unsigned threads, const CancellationToken& cancellation);

/// A sentence about what that share means for a model that is trained from these weights, and what
/// to do about it; empty below kManyTies. `place` names the checkpoint.
std::string tie_sentence(const std::string& place, double share, DType type,
                         const std::string& remedy);

}  // namespace expo
