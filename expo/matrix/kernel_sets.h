#pragma once

#include "expo/matrix/kernels.h"

// The implementations that kernels.cpp chooses from. Those for wider instruction sets exist on
// x86-64 only.

namespace expo {

const Kernels& baseline_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

/// Implementations of Kernels::multiply_bf16.
void multiply_avx512_bf16(const Product& product);
void multiply_amx(const Product& product);

/// Requests the use of AMX's tiles from the system, once for the process; false if the system
/// refuses.
bool may_use_amx() noexcept;

}  // namespace expo
