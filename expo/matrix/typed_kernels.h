#pragma once

#include "expo/core/dtype.h"
#include "expo/matrix/kernels.h"

namespace expo {

/// The functions of Kernels for rows of a type chosen at run time: f32 or bf16.
class TypedKernels {
 public:
  explicit TypedKernels(DType dtype) : set_(kernels()), is_bf16_(dtype == DType::bf16) {}

  std::size_t width() const { return is_bf16_ ? 2 : 4; }

  void multiply(const Product& product) const {
    is_bf16_ ? set_.multiply_bf16(product) : set_.multiply_f32(product);
  }
  void norm(const float* x, std::int64_t count, const float* weight, float added, float epsilon,
            void* out) const {
    if (is_bf16_) {
      set_.norm_bf16(x, count, weight, added, epsilon, static_cast<std::uint16_t*>(out));
    } else {
      set_.norm_f32(x, count, weight, added, epsilon, static_cast<float*>(out));
    }
  }
  /// Copies the values, rounded to the type.
  void round(const float* x, std::int64_t count, void* out) const {
    if (is_bf16_) {
      set_.round_bf16(x, count, static_cast<std::uint16_t*>(out));
    } else {
      for (std::int64_t i = 0; i < count; ++i) static_cast<float*>(out)[i] = x[i];
    }
  }
  void softmax(float* x, std::int64_t first, std::int64_t last, std::int64_t count, float scale,
               float cap, void* out) const {
    if (is_bf16_) {
      set_.softmax_bf16(x, first, last, count, scale, cap, static_cast<std::uint16_t*>(out));
    } else {
      set_.softmax_f32(x, first, last, count, scale, cap, static_cast<float*>(out));
    }
  }
  void gate(Gate kind, const float* x, const float* y, std::int64_t count, void* out) const {
    if (is_bf16_) {
      set_.gate_bf16(kind, x, y, count, static_cast<std::uint16_t*>(out));
    } else {
      set_.gate_f32(kind, x, y, count, static_cast<float*>(out));
    }
  }
  const Kernels& set() const { return set_; }

 private:
  const Kernels& set_;
  bool is_bf16_;
};

}  // namespace expo
