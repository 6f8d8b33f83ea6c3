#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/plan/alpha_schedule.h"

namespace expo {

/// What to do if the two checkpoints do not fit together.
enum class MismatchPolicy {
  refuse,       ///< list every mismatch and stop before anything is written
  aligned,      ///< take ALIGNED's tensor unchanged
  common_rows,  ///< extrapolate the rows that both have (padded or resized vocabularies), a tied
                ///< head against the other side's embedding, and take ALIGNED's for the rest
};

/// Parses "refuse", "aligned" or "common-rows"; throws Error(usage) for other words.
MismatchPolicy parse_mismatch_policy(const std::string& word);
std::string_view mismatch_policy_name(MismatchPolicy policy);

/// One output tensor.
struct TensorPlan {
  std::size_t aligned = 0;  ///< index into ALIGNED's tensors; the output has its name and shape
  std::optional<std::size_t> sft;  ///< its counterpart; std::nullopt: ALIGNED's values as they are
  std::uint64_t common = 0;  ///< leading elements that are extrapolated; the rest are ALIGNED's
  double alpha = 0;
  DType out_type = DType::bf16;
};

/// A place where the checkpoints do not fit, and what was decided about it.
struct Mismatch {
  std::string tensor;
  std::string problem;    ///< one sentence
  std::string treatment;  ///< what the policy does about it; empty under `refuse`
};

/// What becomes of every tensor of the output, fixed before anything is computed.
struct Plan {
  std::vector<TensorPlan> tensors;  ///< in ALIGNED's order
  std::vector<Mismatch> mismatches;
  std::vector<std::string> warnings;
};

/// How far to extrapolate, into which type, and what to do if the two do not match.
struct PlanOptions {
  AlphaSchedule alpha{0};
  std::optional<DType> out_type;  ///< default: each tensor's nominal type
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool refuse_strangers = true;  ///< refuse a pair in which nothing can be extrapolated
};

/// Matches the tensors by name. Derived buffers (rotary_emb.inv_freq, …; among integers and
/// booleans also position_ids, num_batches_tracked, …) come from ALIGNED. Other tensors without
/// arithmetic (integers, booleans, FP8 and below) that both have must be bit-equal, which is
/// checked here by reading them in pieces; a difference is a mismatch. Under
/// MismatchPolicy::refuse, throws Error(input) listing every mismatch, with the integer ones in one
/// line with their number. If they look like packed weights, the error says so; under the other
/// policies, a warning does.
Plan make_plan(const Checkpoint& sft, const Checkpoint& aligned, const PlanOptions& options,
               const CancellationToken& cancellation);

/// A plan that takes every tensor of one checkpoint as it is, in another type; for conversions.
Plan make_copy_plan(const Checkpoint& source, std::optional<DType> out_type);

/// One more than the highest layer number in the tensors' names; at least 1.
unsigned count_layers(const Checkpoint& checkpoint);

}  // namespace expo
