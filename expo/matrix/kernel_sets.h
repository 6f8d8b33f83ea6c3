#pragma once

#include "expo/matrix/kernels.h"

// What kernels.cpp chooses from. The sets of wider instructions exist on x86-64 only.

namespace expo {

const Kernels& baseline_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

/// For Kernels::multiply_bf16.
void multiply_avx512_bf16(const Product& product);
void multiply_amx(const Product& product);

/// Asks the system for the use of AMX's tiles, once for the process; false where it refuses.
bool may_use_amx() noexcept;

}  // namespace expo
