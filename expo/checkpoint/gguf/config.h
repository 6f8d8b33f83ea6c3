#pragma once

#include <span>

#include "expo/checkpoint/gguf/names.h"
#include "expo/core/dtype.h"
#include "expo/core/json.h"

namespace expo {

struct GgufConfigs {
  Json config;      ///< config.json
  Json generation;  ///< generation_config.json
};

/// The configuration of the transformers model that a GGUF file holds. `rope_factors` are the
/// values of rope_freqs.weight (empty where there is none), by which Llama 3.1 and its kin divide
/// the rotary frequencies; transformers derives them from `rope_scaling`, which is recovered from
/// them. `dtype` is what most weights are kept in. Throws Error(input) for what config.json cannot
/// express, naming the key or tensor.
GgufConfigs make_gguf_configs(const GgufHeader& header, const GgufArchitecture& architecture,
                              const GgufDimensions& dimensions, std::span<const float> rope_factors,
                              DType dtype);

}  // namespace expo
