#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

// The arithmetic of a forward pass, and of what goes back through its rows, for each instruction
// set. Every result depends on its own operands alone: an element of a product is summed in the
// order of the columns, whatever rows and panels stand beside it, so that batches of any shape give
// the same bits. Between instruction sets results differ by rounding.
//
// This header is also compiled with the flags of wider instruction sets: it must not define
// functions that the linker could pick for everybody.

namespace expo {

/// C = A · Bᵀ, or C += A · Bᵀ, with B's rows in panels (panel_layout.h).
struct Product {
  const void* a = nullptr;    ///< row-major, of B's type; zeros from columns to padded_columns
  std::int64_t a_stride = 0;  ///< elements from row to row
  std::int64_t rows = 0;      ///< of A
  const std::byte* panels = nullptr;
  std::size_t panel_stride = 0;  ///< bytes from panel to panel
  std::int64_t panel_count = 0;
  std::int64_t padded_columns = 0;  ///< of bfloat16 a multiple of 32
  float* c = nullptr;               ///< [rows, 16 · panel_count], row-major
  std::int64_t c_stride = 0;        ///< elements from row to row
  bool add = false;
};

enum class Gate { silu, gelu, gelu_tanh };

/// Functions of one instruction set. Rows that they write have the type of the products' left
/// side: float, or bfloat16 rounded to nearest.
struct Kernels {
  std::string_view name;
  void (*multiply_bf16)(const Product& product);
  void (*multiply_f32)(const Product& product);
  /// out = x / √(mean(x²) + epsilon) · (added + weight), over `count` values.
  void (*norm_f32)(const float* x, std::int64_t count, const float* weight, float added,
                   float epsilon, float* out);
  void (*norm_bf16)(const float* x, std::int64_t count, const float* weight, float added,
                    float epsilon, std::uint16_t* out);
  /// Given what a loss changes by with each value of norm_f32's result: sets the same for x, and
  /// adds it for `weight` to `weight_change` (null: nowhere). None may overlap another.
  void (*norm_backward)(const float* x, const float* change, std::int64_t count,
                        const float* weight, float added, float epsilon, float* x_change,
                        float* weight_change);
  void (*round_bf16)(const float* x, std::int64_t count, std::uint16_t* out);
  /// x rounded, and what that leaves, rounded: together some sixteen bits of each value.
  void (*split_bf16)(const float* x, std::int64_t count, std::uint16_t* high, std::uint16_t* low);
  /// Element i with i + half, by the angle whose cosine and sine are given: [half] each. In place.
  void (*rotate)(float* x, const float* cosine, const float* sine, std::int64_t half);
  /// The softmax of scale · x (or of cap · tanh(scale · x / cap) where cap is not 0) over [first,
  /// last); zeros elsewhere in [0, count). `x` is used up.
  void (*softmax_f32)(float* x, std::int64_t first, std::int64_t last, std::int64_t count,
                      float scale, float cap, float* out);
  void (*softmax_bf16)(float* x, std::int64_t first, std::int64_t last, std::int64_t count,
                       float scale, float cap, std::uint16_t* out);
  /// out = gate(x) · y
  void (*gate_f32)(Gate gate, const float* x, const float* y, std::int64_t count, float* out);
  void (*gate_bf16)(Gate gate, const float* x, const float* y, std::int64_t count,
                    std::uint16_t* out);
  /// Given what a loss changes by with each value of gate_f32's result: sets the same for x and y,
  /// which may be written over.
  void (*gate_backward)(Gate gate, const float* x, const float* y, const float* change,
                        std::int64_t count, float* x_change, float* y_change);
  /// x = cap · tanh(x / cap), in place
  void (*soft_cap)(float* x, std::int64_t count, float cap);
  /// 16 rows of `units` units of 4 bytes, `stride` bytes apart, become a panel: the first units of
  /// all rows, then the second, …
  void (*interleave)(const std::byte* rows, std::size_t stride, std::int64_t units,
                     std::byte* panel);
};

/// The best that this processor has. The environment variable EXPO_ISA (baseline, avx2, avx512,
/// avx512_bf16, amx; `scalar` is baseline) chooses a lesser one. Read once; thread-safe.
const Kernels& kernels();

/// All that this processor has, the plainest first.
const std::vector<const Kernels*>& available_kernels();

}  // namespace expo
