#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "expo/training/model/lora_spec.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Makes a LoRA model: the base without values, B zero and A drawn from `seed` as in PEFT
/// (Kaiming-uniform with √5). A score head is trained in full beside the adapters. Throws what
/// choose_lora_targets throws.
TrainableModel make_lora_model(const Architecture& architecture, at::ScalarType compute,
                               std::int64_t multiple, const LoraSpec& spec, std::uint64_t seed,
                               at::Device device = at::kCPU);

}  // namespace expo
