#pragma once

#include <ATen/ATen.h>

namespace expo {

enum class Transposed { no, yes };

/// c = beta·c + op(a)·op(b), with a and b in bfloat16 and the sums and c in float32: nothing is
/// rounded on the way, so that parts of a product can be added up. Matrices whose rows are
/// contiguous; rows may lie apart. All on one device; on the processor it runs on PyTorch's
/// threads.
void bf16_product(const at::Tensor& a, Transposed transposed_a, const at::Tensor& b,
                  Transposed transposed_b, float beta, const at::Tensor& c);

/// Whether the processor multiplies bfloat16 matrices faster than float32 ones, by so much that
/// five products of the former take less time than three of the latter.
bool has_fast_bf16();

}  // namespace expo
