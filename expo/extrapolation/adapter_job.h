#pragma once

#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

/// Runs the job when ALIGNED is a PEFT LoRA adapter over SFT and the output is to be an adapter
/// too. It multiplies the B matrices by (1 + α), because the base of the adapter is θ_sft: θ + αΔ =
/// θ_sft + (1 + α)·s·B·A. Needs a single α. Throws Error.
ExtrapolationReport run_adapter_extrapolation(Filesystem& filesystem,
                                              const Environment& environment,
                                              const ExtrapolationJob& job,
                                              const CancellationToken& cancellation);

}  // namespace expo
