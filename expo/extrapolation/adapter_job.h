#pragma once

#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

/// The job where ALIGNED is a PEFT LoRA adapter over SFT and the output shall be one too: its B
/// matrices times (1 + α), because the adapter sits over θ_sft: θ + αΔ = θ_sft + (1 + α)·s·B·A.
/// Needs a single α. Throws Error.
ExtrapolationReport run_adapter_extrapolation(Filesystem& filesystem,
                                              const Environment& environment,
                                              const ExtrapolationJob& job,
                                              const CancellationToken& cancellation);

}  // namespace expo
