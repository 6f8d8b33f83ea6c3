#pragma once

// The functions of Kernels in GCC's vector extensions. One file for each instruction set includes
// this header; it is compiled for that set and defines EXPO_KERNELS (the namespace that keeps its
// functions apart), EXPO_LANES (the float32 values of a register), EXPO_SUMS (the registers that
// hold the sums of a block of a product) and EXPO_ROWS (the most rows of a block). No other file
// may include it.

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

namespace expo::EXPO_KERNELS {
namespace {

// Products. The left side is float32 whatever the panels' type, so that nothing is left to widen
// but the weights, once for all rows of a block.

constexpr int kPanelRows = 16;
constexpr int kPieces = kPanelRows / EXPO_LANES;  ///< registers of a column of a panel
constexpr std::size_t kUnitBytes = 64;            ///< 16 rows of a column, or of a pair of columns

/// Panels of float32.
struct Float32 {
  static constexpr int kColumns = 1;  ///< of a unit

  template <int Column>
  static Lanes weights(const std::byte* from) {
    return load(from);
  }
};

/// Panels of bfloat16, whose columns come in pairs; a value is the upper half of a float32.
struct Bfloat16 {
  static constexpr int kColumns = 2;

  template <int Column>
  static Lanes weights(const std::byte* from) {
    const auto pairs = std::bit_cast<BitLanes>(load(from));
    return std::bit_cast<Lanes>(Column == 0 ? pairs << 16 : pairs & 0xFFFF0000U);
  }
};

/// A block of a product: some rows by some panels, whose sums stay in registers.
template <typename Type, int Rows, int Panels>
struct Block {
  const float* a[Rows];
  const std::byte* b[Panels];
  Lanes sums[Rows][Panels * kPieces];

  /// Asks for what is read soon, which may be the next panel: the processor itself does not look as
  /// far ahead as the memory takes.
  inline void fetch_ahead(std::int64_t unit) const {
    constexpr std::size_t kAhead = 4096;
    for (int p = 0; p < Panels; ++p)
      __builtin_prefetch(b[p] + static_cast<std::size_t>(unit) * kUnitBytes + kAhead);
  }

  template <int Column>
  inline void add_column(std::int64_t unit) {
    Lanes weights[Panels * kPieces];
    for (int i = 0; i < Panels * kPieces; ++i) {
      weights[i] = Type::template weights<Column>(b[i / kPieces] +
                                                  static_cast<std::size_t>(unit) * kUnitBytes +
                                                  i % kPieces * sizeof(Lanes));
    }
    for (int r = 0; r < Rows; ++r) {
      const float value = a[r][unit * Type::kColumns + Column];
      for (int i = 0; i < Panels * kPieces; ++i) sums[r][i] += value * weights[i];
    }
  }
};

template <typename Type, int Rows, int Panels>
void multiply_block(const Product& product, std::int64_t row, std::int64_t panel) {
  Block<Type, Rows, Panels> block;
  float* const c = product.c + row * product.c_stride + panel * kPanelRows;
  for (int r = 0; r < Rows; ++r) {
    block.a[r] = static_cast<const float*>(product.a) + (row + r) * product.a_stride;
    for (int i = 0; i < Panels * kPieces; ++i)
      block.sums[r][i] = product.add ? load(c + r * product.c_stride + i * kLanes) : Lanes{};
  }
  for (int p = 0; p < Panels; ++p)
    block.b[p] = product.panels + static_cast<std::size_t>(panel + p) * product.panel_stride;
  const std::int64_t units = product.padded_columns / Type::kColumns;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    block.fetch_ahead(unit);
    block.template add_column<0>(unit);
    if constexpr (Type::kColumns == 2) block.template add_column<1>(unit);
  }
  for (int r = 0; r < Rows; ++r) {
    for (int i = 0; i < Panels * kPieces; ++i)
      store(block.sums[r][i], c + r * product.c_stride + i * kLanes);
  }
}

/// As many panels as have their sums in registers beside those of the other rows. Few rows take
/// more panels, since each sum waits for the one before it.
constexpr int panels_beside(int rows) {
  const int fitting = EXPO_SUMS / (rows * kPieces);
  return fitting >= 4 ? 4 : fitting >= 2 ? 2 : 1;
}

/// Multiplies `rows` rows, a multiple of Rows, by the panels from `panel` on: Panels at once, and
/// then half as many. They stay in the first cache for all rows.
template <typename Type, int Rows, int Panels>
void multiply_rows(const Product& product, std::int64_t row, std::int64_t rows,
                   std::int64_t panel) {
  for (; panel + Panels <= product.panel_count; panel += Panels) {
    for (std::int64_t at = row; at < row + rows; at += Rows)
      multiply_block<Type, Rows, Panels>(product, at, panel);
  }
  if constexpr (Panels > 1) multiply_rows<Type, Rows, Panels / 2>(product, row, rows, panel);
}

/// Multiplies in blocks of `size` rows, which is in [1, EXPO_ROWS].
template <typename Type, int Rows = 1>
void multiply_blocks_of(std::int64_t size, const Product& product, std::int64_t row,
                        std::int64_t rows) {
  if (size == Rows) return multiply_rows<Type, Rows, panels_beside(Rows)>(product, row, rows, 0);
  if constexpr (Rows < EXPO_ROWS) multiply_blocks_of<Type, Rows + 1>(size, product, row, rows);
}

/// Divides the rows into blocks whose sizes differ by one at most.
template <typename Type>
void multiply(const Product& product) {
  if (product.rows == 0) return;
  const std::int64_t blocks = (product.rows + EXPO_ROWS - 1) / EXPO_ROWS;
  const std::int64_t size = product.rows / blocks, larger = product.rows % blocks;
  if (larger > 0) multiply_blocks_of<Type>(size + 1, product, 0, larger * (size + 1));
  multiply_blocks_of<Type>(size, product, larger * (size + 1), (blocks - larger) * size);
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

/// The source of lane `lane` when two rows exchange lanes: those of the second row come after the
/// first row's.
template <int kDistance, bool kUpperRow>
constexpr int exchanged(int lane) {
  constexpr int kSecond = EXPO_LANES;
  const bool upper = (lane & kDistance) != 0;
  if (kUpperRow) return upper ? lane + kSecond : lane + kDistance;
  return upper ? lane - kDistance + kSecond : lane;
}

template <int kDistance, bool kUpperRow, int... kLane>
inline IntLanes mingle(IntLanes a, IntLanes b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, exchanged<kDistance, kUpperRow>(kLane)...);
}

/// Exchanges the off-diagonal blocks within squares of 2·kDistance rows by as many units, and then
/// of twice the distance; from 1 on it transposes.
template <int kDistance>
inline void exchange(IntLanes (&rows)[kLanes]) {
  constexpr std::make_integer_sequence<int, EXPO_LANES> kAll{};
  for (int row = 0; row < kLanes; ++row) {
    if ((row & kDistance) != 0) continue;
    const IntLanes a = rows[row], b = rows[row + kDistance];
    rows[row] = mingle<kDistance, false>(a, b, kAll);
    rows[row + kDistance] = mingle<kDistance, true>(a, b, kAll);
  }
  if constexpr (2 * kDistance < kLanes) exchange<2 * kDistance>(rows);
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

/// Arranges kLanes rows of as many units: the first units of all rows, the second, and so on, a
/// panel's unit apart.
inline void interleave_square(const std::byte* rows, std::size_t stride, std::byte* panel) {
  IntLanes block[kLanes];
  for (std::size_t row = 0; row < kLanes; ++row)
    std::memcpy(&block[row], rows + row * stride, sizeof block[row]);
  exchange<1>(block);
  for (std::size_t unit = 0; unit < kLanes; ++unit)
    store_past_cache(block[unit], panel + unit * kUnitBytes);
}

void interleave(const std::byte* rows, std::size_t stride, std::int64_t units, std::byte* panel) {
  constexpr std::size_t kUnit = 4;
  std::int64_t unit = 0;
  for (; unit + kLanes <= units; unit += kLanes) {
    for (std::size_t row = 0; row < kPanelRows; row += kLanes) {
      interleave_square(rows + row * stride + static_cast<std::size_t>(unit) * kUnit, stride,
                        panel + static_cast<std::size_t>(unit) * kUnitBytes + row * kUnit);
    }
  }
  settle_stores();
  for (; unit < units; ++unit) {
    for (std::size_t row = 0; row < kPanelRows; ++row) {
      std::memcpy(panel + static_cast<std::size_t>(unit) * kUnitBytes + row * kUnit,
                  rows + row * stride + static_cast<std::size_t>(unit) * kUnit, kUnit);
    }
  }
}

Kernels make_kernels(std::string_view name) {
  return {name,           DType::f32,        multiply<Bfloat16>, multiply<Float32>, norm<float>,
          norm<BFloat16>, norm_backward,     round_row,          split_row,         rotate,
          softmax<float>, softmax<BFloat16>, gate<float>,        gate<BFloat16>,    gate_backward,
          soft_cap,       interleave};
}

}  // namespace
}  // namespace expo::EXPO_KERNELS
