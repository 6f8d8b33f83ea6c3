#include "expo/training/ops/bf16_product.h"

#include <dlfcn.h>

#include <cstdint>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace expo {
namespace {

/// MKL's function, which libtorch exports if it was built with MKL; for the processor ATen has no
/// product of these types.
using Gemm = void (*)(int layout, int transposed_a, int transposed_b, int m, int n, int k,
                      float alpha, const void* a, int lda, const void* b, int ldb, float beta,
                      float* c, int ldc);
constexpr int kRowMajor = 101;
constexpr int kPlain = 111;
constexpr int kTransposed = 112;

Gemm find_gemm() {
  return reinterpret_cast<Gemm>(::dlsym(RTLD_DEFAULT, "cblas_gemm_bf16bf16f32"));
}

at::Tensor operand(const at::Tensor& x, Transposed transposed) {
  const at::Tensor wide = x.to(at::kFloat);
  return transposed == Transposed::yes ? wide.t() : wide;
}

at::Tensor view(const at::Tensor& x, Transposed transposed) {
  return transposed == Transposed::yes ? x.t() : x;
}

/// Uses ATen, which has a product of these types for CUDA.
void cuda_product(const at::Tensor& a, const at::Tensor& b, float beta, const at::Tensor& c) {
  at::Tensor out = c;
  if (beta == 0) {
    at::mm_out(out, a, b, at::kFloat);
  } else {
    at::addmm_out(out, c, a, b, at::kFloat, beta, 1);
  }
}

int code(Transposed transposed) {
  return transposed == Transposed::yes ? kTransposed : kPlain;
}

int narrow_size(std::int64_t size) {
  TORCH_CHECK(size <= INT32_MAX, "a matrix has more than 2^31 rows or columns");
  return static_cast<int>(size);
}

}  // namespace

void bf16_product(const at::Tensor& a, Transposed transposed_a, const at::Tensor& b,
                  Transposed transposed_b, float beta, const at::Tensor& c) {
  static const Gemm gemm = find_gemm();
  if (c.is_cuda()) return cuda_product(view(a, transposed_a), view(b, transposed_b), beta, c);
  if (gemm == nullptr || !c.is_cpu()) {
    c.addmm_(operand(a, transposed_a), operand(b, transposed_b), beta);
    return;
  }
  const std::int64_t inner = a.size(transposed_a == Transposed::yes ? 0 : 1);
  gemm(kRowMajor, code(transposed_a), code(transposed_b), narrow_size(c.size(0)),
       narrow_size(c.size(1)), narrow_size(inner), 1, a.const_data_ptr(), narrow_size(a.stride(0)),
       b.const_data_ptr(), narrow_size(b.stride(0)), beta, c.mutable_data_ptr<float>(),
       narrow_size(c.stride(0)));
}

at::Tensor product_with_transpose(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) return at::linear(a, b);
  const at::Tensor result = at::empty({a.size(0), b.size(0)}, a.options().dtype(at::kFloat));
  bf16_product(a, Transposed::no, b, Transposed::yes, 0, result);
  return result;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) return at::mm(a, b);
  const at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options().dtype(at::kFloat));
  bf16_product(a, Transposed::no, b, Transposed::no, 0, result);
  return result;
}

void add_product_of_transpose(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
  if (a.scalar_type() == at::kFloat) {
    c.addmm_(a.t(), b);
  } else {
    bf16_product(a, Transposed::yes, b, Transposed::no, 1, c);
  }
}

bool has_fast_bf16() {
#ifdef __x86_64__
  constexpr unsigned kAmxBf16 = 1U << 22;    // leaf 7, edx
  constexpr unsigned kAvx512Bf16 = 1U << 5;  // leaf 7.1, eax
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (find_gemm() == nullptr || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kAmxBf16) != 0) return true;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvx512Bf16) != 0;
#else
  return false;
#endif
}

}  // namespace expo
