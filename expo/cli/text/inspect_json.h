#pragma once

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/extrapolation/diagnosis/checkpoint_summary.h"
#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/diagnosis/verdict.h"

namespace expo {

/// What `expo inspect A --json` prints; it lists every tensor. `checked` says whether
/// summary.health was filled.
Json checkpoint_json(const Checkpoint& checkpoint, const CheckpointSummary& summary, bool checked);

/// What `expo inspect A B --json` prints; it lists every compared tensor.
Json pair_json(const Checkpoint& sft, const Checkpoint& aligned, const Diagnosis& diagnosis,
               const Verdict& verdict);

/// {"relation", "headline", "evidence", "caveats", "advice", "measures", "thresholds"}
Json verdict_json(const Verdict& verdict);

}  // namespace expo
