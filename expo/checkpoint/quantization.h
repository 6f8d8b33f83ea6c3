#pragma once

#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"

namespace expo {

/// Throws Error(input) where config.json says that the weights are quantised (`quantization_config`
/// or `compression_config`, also inside `text_config` and the like): packed integers cannot be
/// extrapolated. `where` begins the message, which names the method (GPTQ, AWQ, bitsandbytes, …).
void refuse_quantised_config(const Json& config, const std::string& where);

/// The same by the tensors' names, for checkpoints whose config.json keeps silent: `….qweight` and
/// `….qzeros` (GPTQ, AWQ), `….weight_packed` (compressed-tensors), `….quant_state.bitsandbytes…`.
void refuse_quantised_tensors(const Checkpoint& checkpoint, const std::string& where);

}  // namespace expo
