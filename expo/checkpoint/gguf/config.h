#pragma once

#include <span>

#include "expo/checkpoint/gguf/names.h"
#include "expo/core/dtype.h"
#include "expo/core/json.h"

namespace expo {

/// The configuration files of a transformers model.
struct GgufConfigs {
  Json config;      ///< config.json
  Json generation;  ///< generation_config.json
};

/// Makes the configuration of the transformers model that a GGUF file holds. `rope_factors` are the
/// values of rope_freqs.weight (empty if there is none), by which Llama 3.1 and related models
/// divide the rotary frequencies; transformers derives them from `rope_scaling`, which is recovered
/// from them. `dtype` is the type in which most weights are stored. Throws Error(input), naming the
/// key or the tensor, for anything that config.json cannot express.
GgufConfigs make_gguf_configs(const GgufHeader& header, const GgufArchitecture& architecture,
                              const GgufDimensions& dimensions, std::span<const float> rope_factors,
                              DType dtype);

}  // namespace expo
