#pragma once

#include <cstring>

#include "expo/core/dtype.h"
#include "expo/matrix/kernels.h"

namespace expo {

/// The functions of Kernels for products with panels of a type chosen at run time: f32 or bf16.
/// Rows are written as left sides of those products, whose type may be wider than the panels'.
class TypedKernels {
 public:
  explicit TypedKernels(DType dtype)
      : set_(kernels()),
        panel_type_(dtype),
        left_type_(dtype == DType::bf16 ? set_.left_of_bf16 : dtype) {}

  /// Bytes of an element of a panel, and of a left side.
  std::size_t panel_width() const { return byte_width(panel_type_); }
  std::size_t left_width() const { return byte_width(left_type_); }

  void multiply(const Product& product) const {
    panel_type_ == DType::bf16 ? set_.multiply_bf16(product) : set_.multiply_f32(product);
  }
  void norm(const float* x, std::int64_t count, const float* weight, float added, float epsilon,
            void* out) const {
    if (left_type_ == DType::bf16) {
      set_.norm_bf16(x, count, weight, added, epsilon, static_cast<std::uint16_t*>(out));
    } else {
      set_.norm_f32(x, count, weight, added, epsilon, static_cast<float*>(out));
    }
  }
  /// Copies the values, rounded to the type of left sides, or of panels.
  void round(const float* x, std::int64_t count, void* out) const {
    round_to(left_type_, x, count, out);
  }
  void round_for_panel(const float* x, std::int64_t count, void* out) const {
    round_to(panel_type_, x, count, out);
  }
  void softmax(float* x, std::int64_t first, std::int64_t last, std::int64_t count, float scale,
               float cap, void* out) const {
    if (left_type_ == DType::bf16) {
      set_.softmax_bf16(x, first, last, count, scale, cap, static_cast<std::uint16_t*>(out));
    } else {
      set_.softmax_f32(x, first, last, count, scale, cap, static_cast<float*>(out));
    }
  }
  void gate(Gate kind, const float* x, const float* y, std::int64_t count, void* out) const {
    if (left_type_ == DType::bf16) {
      set_.gate_bf16(kind, x, y, count, static_cast<std::uint16_t*>(out));
    } else {
      set_.gate_f32(kind, x, y, count, static_cast<float*>(out));
    }
  }
  const Kernels& set() const { return set_; }

 private:
  void round_to(DType dtype, const float* x, std::int64_t count, void* out) const {
    if (dtype == DType::bf16) {
      set_.round_bf16(x, count, static_cast<std::uint16_t*>(out));
    } else {
      std::memcpy(out, x, static_cast<std::size_t>(count) * sizeof(float));
    }
  }

  const Kernels& set_;
  DType panel_type_;
  DType left_type_;
};

}  // namespace expo
