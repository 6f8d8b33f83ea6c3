#pragma once

// The functions of Kernels in GCC's vector extensions. One file for each instruction set includes
// this header; it is compiled for that set and defines EXPO_KERNELS (the namespace that keeps its
// functions apart) and EXPO_PANELS_AT_ONCE. No other file may include it.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "expo/matrix/kernel_lanes.h"
#include "expo/matrix/kernels.h"
#include "expo/matrix/row_blocks.h"

namespace expo::EXPO_KERNELS {
namespace {

// Products

/// Products of float32 matrices.
struct Float32 {
  using Element = float;
  static constexpr std::int64_t kPair = 1;
  static constexpr std::size_t kUnitBytes = 64;

  template <int Rows, int Panels>
  static inline void step(const float* const (&a)[Rows], std::int64_t unit,
                          const std::byte* const (&b)[Panels], Lanes (&sums)[Rows][Panels]) {
    for (int p = 0; p < Panels; ++p) {
      const Lanes weights = load(b[p] + static_cast<std::size_t>(unit) * kUnitBytes);
      for (int r = 0; r < Rows; ++r) sums[r][p] += a[r][unit] * weights;
    }
  }
};

/// Products of bfloat16 matrices, whose columns come in pairs.
struct Bfloat16 {
  using Element = BFloat16;
  static constexpr std::int64_t kPair = 2;
  static constexpr std::size_t kUnitBytes = 64;

  static float widen(BFloat16 bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

  template <int Rows, int Panels>
  static inline void step(const BFloat16* const (&a)[Rows], std::int64_t unit,
                          const std::byte* const (&b)[Panels], Lanes (&sums)[Rows][Panels]) {
    for (int p = 0; p < Panels; ++p) {
      const auto pairs =
          std::bit_cast<BitLanes>(load(b[p] + static_cast<std::size_t>(unit) * kUnitBytes));
      const auto even = std::bit_cast<Lanes>(pairs << 16);
      const auto odd = std::bit_cast<Lanes>(pairs & 0xFFFF0000U);
      for (int r = 0; r < Rows; ++r) {
        sums[r][p] += widen(a[r][2 * unit]) * even;
        sums[r][p] += widen(a[r][2 * unit + 1]) * odd;
      }
    }
  }
};

template <typename Type, int Rows, int Panels>
void multiply_block(const Product& product, std::int64_t row, std::int64_t panel) {
  const typename Type::Element* a[Rows];
  const std::byte* b[Panels];
  Lanes sums[Rows][Panels] = {};
  float* c = product.c + row * product.c_stride + panel * kLanes;
  for (int r = 0; r < Rows; ++r) {
    a[r] = static_cast<const typename Type::Element*>(product.a) + (row + r) * product.a_stride;
    for (int p = 0; product.add && p < Panels; ++p)
      sums[r][p] = load(c + r * product.c_stride + p * kLanes);
  }
  for (int p = 0; p < Panels; ++p)
    b[p] = product.panels + static_cast<std::size_t>(panel + p) * product.panel_stride;
  const std::int64_t units = product.padded_columns / Type::kPair;
  for (std::int64_t unit = 0; unit < units; ++unit)
    Type::template step<Rows, Panels>(a, unit, b, sums);
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < Panels; ++p) store(sums[r][p], c + r * product.c_stride + p * kLanes);
  }
}

template <typename Type, int Panels>
void multiply_rows(const Product& product, std::int64_t panel) {
  in_row_blocks(product.rows, [&]<int Rows>(std::int64_t row) {
    multiply_block<Type, Rows, Panels>(product, row, panel);
  });
}

template <typename Type>
void multiply(const Product& product) {
  std::int64_t panel = 0;
  for (; panel + EXPO_PANELS_AT_ONCE <= product.panel_count; panel += EXPO_PANELS_AT_ONCE)
    multiply_rows<Type, EXPO_PANELS_AT_ONCE>(product, panel);
  for (; panel < product.panel_count; ++panel) multiply_rows<Type, 1>(product, panel);
}

// Rows

template <typename Out>
void norm(const float* x, std::int64_t count, const float* weight, float added, float epsilon,
          Out* out) {
  Lanes squares{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) squares += load(x + i) * load(x + i);
  if (i < count) squares += load_some(x + i, count - i) * load_some(x + i, count - i);
  const float mean = sum(squares) / static_cast<float>(count);
  const float scale = 1.0F / std::sqrt(mean + epsilon);
  map(count, out, [&](const auto& at) { return at(x) * scale * (added + at(weight)); });
}

/// With r = 1/√(mean(x²) + ε) and g = change · (added + weight), the gradient of x is r·g −
/// x·r³·mean(x·g).
void norm_backward(const float* x, const float* change, std::int64_t count, const float* weight,
                   float added, float epsilon, float* x_change, float* weight_change) {
  Lanes squares{}, products{};
  const auto gather = [&](const auto& at, std::int64_t i) {
    const Lanes value = at(x + i);
    squares += value * value;
    products += value * at(change + i) * (added + at(weight + i));
  };
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) gather([](const float* from) { return load(from); }, i);
  if (i < count) gather([rest = count - i](const float* from) { return load_some(from, rest); }, i);
  const auto size = static_cast<float>(count);
  const float scale = 1.0F / std::sqrt(sum(squares) / size + epsilon);
  const float pull = scale * scale * scale * (sum(products) / size);
  map(count, x_change,
      [&](const auto& at) { return at(change) * (added + at(weight)) * scale - at(x) * pull; });
  if (weight_change == nullptr) return;
  map(count, weight_change,
      [&](const auto& at) { return at(weight_change) + at(change) * at(x) * scale; });
}

void round_row(const float* x, std::int64_t count, BFloat16* out) {
  map(count, out, [&](const auto& at) { return at(x); });
}

void split_row(const float* x, std::int64_t count, BFloat16* high, BFloat16* low) {
  map(count, high, low, [&](const auto& at) {
    const Lanes value = at(x);
    return Two{value, value - std::bit_cast<Lanes>(rounded_bits(value) << 16)};
  });
}

void rotate(float* x, const float* cosine, const float* sine, std::int64_t half) {
  const auto turn = [&](const auto& at, const auto& put, std::int64_t i) {
    const Lanes low = at(x + i), high = at(x + half + i);
    const Lanes c = at(cosine + i), s = at(sine + i);
    put(low * c - high * s, x + i);
    put(high * c + low * s, x + half + i);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    turn([](const float* from) { return load(from); },
         [](Lanes value, float* to) { store(value, to); }, i);
  }
  if (i == half) return;
  turn([rest = half - i](const float* from) { return load_some(from, rest); },
       [rest = half - i](Lanes value, float* to) { store_some(value, rest, to); }, i);
}

template <typename Out>
void softmax(float* x, std::int64_t first, std::int64_t last, std::int64_t count, float scale,
             float cap, Out* out) {
  // Lanes outside [first, last) hold −∞; their weight is set to 0 below.
  const std::int64_t begin = first / kLanes * kLanes;
  const std::int64_t end = (last + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t i = begin; i < first; ++i) x[i] = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = last; i < end; ++i) x[i] = -std::numeric_limits<float>::infinity();
  if (cap != 0) {
    for (std::int64_t i = begin; i < end; i += kLanes) {
      const Lanes value = load(x + i);
      const Lanes capped = hyperbolic_tangent(value * (scale / cap)) * cap;
      store(value == all(-std::numeric_limits<float>::infinity()) ? value : capped, x + i);
    }
    scale = 1;
  }
  Lanes highest = all(-std::numeric_limits<float>::infinity());
  Lanes odd{};  // keeps a NaN, which the comparisons would lose
  for (std::int64_t i = begin; i < end; i += kLanes) {
    const Lanes value = load(x + i);
    highest = value > highest ? value : highest;
    odd = value != value ? value : odd;
  }
  float top = highest[0];
  for (int i = 1; i < kLanes; ++i) top = highest[i] > top ? highest[i] : top;
  Lanes total{};
  for (std::int64_t i = begin; i < end; i += kLanes) {
    const Lanes value = load(x + i);
    const Lanes weight = exponential((value - top) * scale);
    const Lanes kept = value == all(-std::numeric_limits<float>::infinity()) ? Lanes{} : weight;
    store(kept, x + i);
    total += kept;
  }
  const float factor = 1.0F / sum(total + odd);
  const Lanes nothing{};
  for (std::int64_t i = 0; i < count; i += kLanes)
    store(i >= begin && i < end ? load(x + i) * factor : nothing, out + i);
}

/// Calls body with the activation of the gate.
template <typename Body>
void with_gate(Gate kind, const Body& body) {
  switch (kind) {
    case Gate::silu:
      return body(Silu{});
    case Gate::gelu:
      return body(Gelu{});
    case Gate::gelu_tanh:
      return body(GeluTanh{});
  }
}

template <typename Out>
void gate(Gate kind, const float* x, const float* y, std::int64_t count, Out* out) {
  with_gate(kind, [&](auto activation) {
    map(count, out, [&](const auto& at) { return activation.value(at(x)) * at(y); });
  });
}

void gate_backward(Gate kind, const float* x, const float* y, const float* change,
                   std::int64_t count, float* x_change, float* y_change) {
  with_gate(kind, [&](auto activation) {
    map(count, x_change, y_change, [&](const auto& at) {
      const Two activated = activation.with_slope(at(x));
      return Two{at(change) * at(y) * activated.second, at(change) * activated.first};
    });
  });
}

void soft_cap(float* x, std::int64_t count, float cap) {
  map(count, x, [&](const auto& at) { return hyperbolic_tangent(at(x) / cap) * cap; });
}

/// The source of lane `lane` when two rows exchange lanes: 0 to 15 are lanes of the first row, 16
/// to 31 those of the second.
template <int kDistance, bool kUpperRow>
constexpr int exchanged(int lane) {
  const bool upper = (lane & kDistance) != 0;
  if (kUpperRow) return upper ? lane + 16 : lane + kDistance;
  return upper ? lane - kDistance + 16 : lane;
}

template <int kDistance, bool kUpperRow, int... kLane>
inline IntLanes mingle(IntLanes a, IntLanes b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, exchanged<kDistance, kUpperRow>(kLane)...);
}

/// Exchanges the off-diagonal blocks within squares of 2·kDistance rows by as many units; applied
/// with 1, 2, 4 and 8 it transposes.
template <int kDistance>
inline void exchange(IntLanes (&rows)[kLanes]) {
  constexpr std::make_integer_sequence<int, 16> kAll{};
  for (int row = 0; row < kLanes; ++row) {
    if ((row & kDistance) != 0) continue;
    const IntLanes a = rows[row], b = rows[row + kDistance];
    rows[row] = mingle<kDistance, false>(a, b, kAll);
    rows[row + kDistance] = mingle<kDistance, true>(a, b, kAll);
  }
}

// Panels are written once and read much later: their cache lines need neither be read beforehand
// nor stay in the cache. Panels are aligned to 64 bytes; other addresses work as well.
#if defined(__AVX512F__)
inline void store_past_cache(IntLanes value, std::byte* to) {
  if (reinterpret_cast<std::uintptr_t>(to) % sizeof value == 0) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), std::bit_cast<__m512i>(value));
  } else {
    std::memcpy(to, &value, sizeof value);
  }
}
/// Makes the stores above visible to other threads in order.
inline void settle_stores() {
  _mm_sfence();
}
#else
inline void store_past_cache(IntLanes value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}
inline void settle_stores() {}
#endif

void interleave(const std::byte* rows, std::size_t stride, std::int64_t units, std::byte* panel) {
  constexpr std::size_t kUnit = 4;
  std::int64_t unit = 0;
  for (; unit + kLanes <= units; unit += kLanes) {
    IntLanes block[kLanes];
    for (std::size_t row = 0; row < kLanes; ++row)
      std::memcpy(&block[row], rows + row * stride + static_cast<std::size_t>(unit) * kUnit,
                  sizeof block[row]);
    exchange<1>(block);
    exchange<2>(block);
    exchange<4>(block);
    exchange<8>(block);
    for (std::size_t row = 0; row < kLanes; ++row)
      store_past_cache(block[row],
                       panel + (static_cast<std::size_t>(unit) + row) * sizeof block[row]);
  }
  settle_stores();
  for (; unit < units; ++unit) {
    for (std::size_t row = 0; row < kLanes; ++row) {
      std::memcpy(panel + (static_cast<std::size_t>(unit) * kLanes + row) * kUnit,
                  rows + row * stride + static_cast<std::size_t>(unit) * kUnit, kUnit);
    }
  }
}

Kernels make_kernels(std::string_view name) {
  return {name,           multiply<Bfloat16>, multiply<Float32>, norm<float>,
          norm<BFloat16>, norm_backward,      round_row,         split_row,
          rotate,         softmax<float>,     softmax<BFloat16>, gate<float>,
          gate<BFloat16>, gate_backward,      soft_cap,          interleave};
}

}  // namespace
}  // namespace expo::EXPO_KERNELS
