#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "expo/core/dtype.h"

// The arithmetic of a forward pass, and of the backward pass through its rows, for each instruction
// set. Every result depends on its own operands alone: an element of a product is summed in the
// order of the columns, whatever rows and panels are computed beside it, so that batches of any
// shape give the same bits. Between instruction sets, results differ by rounding.
//
// This header is also compiled with the flags of wider instruction sets, so it must not define
// functions: the linker could keep such a copy for the whole program.

namespace expo {

/// A matrix product C = A · Bᵀ, or C += A · Bᵀ, with B's rows in panels (panel_layout.h).
struct Product {
  /// Row-major, zeros from columns to padded_columns. Of B's type, except that the left side of a
  /// product with bfloat16 panels is of the type that Kernels::left_of_bf16 names.
  const void* a = nullptr;
  std::int64_t a_stride = 0;  ///< elements from one row to the next
  std::int64_t rows = 0;      ///< rows of A
  const std::byte* panels = nullptr;
  std::size_t panel_stride = 0;  ///< bytes from one panel to the next
  std::int64_t panel_count = 0;
  std::int64_t padded_columns = 0;  ///< a multiple of 32 for bfloat16
  float* c = nullptr;               ///< [rows, 16 · panel_count], row-major
  std::int64_t c_stride = 0;        ///< elements from one row to the next
  /// Whether the product is added to C rather than replacing it.
  bool add = false;
};

/// The activation of a gated MLP.
enum class Gate { silu, gelu, gelu_tanh };

/// The functions of one instruction set. Those that write rows exist for both types of a product's
/// left side: float (f32), and bfloat16 rounded to nearest (bf16).
struct Kernels {
  std::string_view name;
  /// The type of the left side of multiply_bf16: bf16 where the processor multiplies such pairs,
  /// and else f32, because they would only be widened to it again.
  DType left_of_bf16;
  void (*multiply_bf16)(const Product& product);
  void (*multiply_f32)(const Product& product);
  /// out = x / √(mean(x²) + epsilon) · (added + weight), over `count` values.
  void (*norm_f32)(const float* x, std::int64_t count, const float* weight, float added,
                   float epsilon, float* out);
  void (*norm_bf16)(const float* x, std::int64_t count, const float* weight, float added,
                    float epsilon, std::uint16_t* out);
  /// The backward pass of norm_f32. `change` is the gradient of a loss with respect to its result;
  /// sets `x_change` to the gradient with respect to x and adds the gradient with respect to the
  /// weight to `weight_change` (unless that is null). No array may overlap another.
  void (*norm_backward)(const float* x, const float* change, std::int64_t count,
                        const float* weight, float added, float epsilon, float* x_change,
                        float* weight_change);
  /// Rounds to bfloat16.
  void (*round_bf16)(const float* x, std::int64_t count, std::uint16_t* out);
  /// Sets `high` to x rounded and `low` to the rounded remainder: together they hold some sixteen
  /// bits of each value.
  void (*split_bf16)(const float* x, std::int64_t count, std::uint16_t* high, std::uint16_t* low);
  /// Rotates each pair of elements i and i + half by the angle whose cosine and sine are given
  /// ([half] each), in place.
  void (*rotate)(float* x, const float* cosine, const float* sine, std::int64_t half);
  /// The softmax of scale · x (of cap · tanh(scale · x / cap) if cap is not 0) over [first, last);
  /// zeros elsewhere in [0, count). The contents of `x` are lost.
  void (*softmax_f32)(float* x, std::int64_t first, std::int64_t last, std::int64_t count,
                      float scale, float cap, float* out);
  void (*softmax_bf16)(float* x, std::int64_t first, std::int64_t last, std::int64_t count,
                       float scale, float cap, std::uint16_t* out);
  /// out = gate(x) · y
  void (*gate_f32)(Gate gate, const float* x, const float* y, std::int64_t count, float* out);
  void (*gate_bf16)(Gate gate, const float* x, const float* y, std::int64_t count,
                    std::uint16_t* out);
  /// The backward pass of gate_f32. `change` is the gradient of a loss with respect to its result;
  /// sets the gradients with respect to x and y, which may be written over x and y.
  void (*gate_backward)(Gate gate, const float* x, const float* y, const float* change,
                        std::int64_t count, float* x_change, float* y_change);
  /// x = cap · tanh(x / cap), in place
  void (*soft_cap)(float* x, std::int64_t count, float cap);
  /// Arranges 16 rows of `units` units of 4 bytes, `stride` bytes apart, as a panel: the first unit
  /// of every row, then the second, and so on.
  void (*interleave)(const std::byte* rows, std::size_t stride, std::int64_t units,
                     std::byte* panel);
};

/// The best set that this processor supports. The environment variable EXPO_ISA (baseline, avx2,
/// avx512, avx512_bf16, amx; `scalar` means baseline) selects a lesser one. It is read once.
/// Thread-safe.
const Kernels& kernels();

/// All sets that this processor supports, from the least capable to the most capable.
const std::vector<const Kernels*>& available_kernels();

}  // namespace expo
