#pragma once

#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/extrapolation/diagnosis/checkpoint_summary.h"
#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/diagnosis/verdict.h"

namespace expo {

/// What `expo inspect A` prints for a person. `checked` says whether summary.health was filled;
/// `list_tensors` adds a line for every tensor.
std::string describe_checkpoint(const Checkpoint& checkpoint, const CheckpointSummary& summary,
                                bool checked, bool list_tensors);

/// What `expo inspect A B` prints for a person.
std::string describe_pair(const Checkpoint& sft, const Checkpoint& aligned,
                          const Diagnosis& diagnosis, const Verdict& verdict, bool list_tensors);

}  // namespace expo
