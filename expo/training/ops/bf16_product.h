#pragma once

#include <ATen/ATen.h>

namespace expo {

/// Whether an operand of a product is transposed.
enum class Transposed { no, yes };

/// c = beta·c + op(a)·op(b), with a and b in bfloat16, and the sums and c in float32: nothing is
/// rounded in between, so that parts of a product can be added up. The rows of each matrix are
/// contiguous but may lie apart. All matrices are on one device; on the processor it uses PyTorch's
/// threads.
void bf16_product(const at::Tensor& a, Transposed transposed_a, const at::Tensor& b,
                  Transposed transposed_b, float beta, const at::Tensor& c);

/// a·bᵀ, a·b, and aᵀ·b added to c, for a and b of one type: bfloat16, by bf16_product() and under
/// its conditions, or float32, by ATen. Results are float32.
at::Tensor product_with_transpose(const at::Tensor& a, const at::Tensor& b);
at::Tensor product(const at::Tensor& a, const at::Tensor& b);
void add_product_of_transpose(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c);

/// Whether the processor multiplies bfloat16 matrices so much faster than float32 ones that five
/// bfloat16 products take less time than three float32 products.
bool has_fast_bf16();

}  // namespace expo
