#pragma once

#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"

namespace expo {

/// Throws Error(input) if config.json declares quantised weights (`quantization_config` or
/// `compression_config`, also inside `text_config` and the like): packed integers cannot be
/// extrapolated. The message begins with `where` and names the method (GPTQ, AWQ, bitsandbytes, …).
void refuse_quantised_config(const Json& config, const std::string& where);

/// Does the same by the names of the tensors, for checkpoints whose config.json does not say:
/// `….qweight` and `….qzeros` (GPTQ, AWQ), `….weight_packed` (compressed-tensors),
/// `….quant_state.bitsandbytes…`.
void refuse_quantised_tensors(const Checkpoint& checkpoint, const std::string& where);

}  // namespace expo
