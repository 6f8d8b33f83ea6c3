#pragma once

// Vectors that fill a register, in GCC's vector extensions, and functions of them. This header is
// included only by kernels_generic.h and compiled with each instruction set; EXPO_KERNELS keeps the
// functions of the sets apart, and EXPO_LANES is the number of float32 values in a register: GCC
// takes wider vectors through the stack.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace expo::EXPO_KERNELS {
namespace {

constexpr std::int64_t kLanes = EXPO_LANES;
using Lanes = float __attribute__((vector_size(4 * EXPO_LANES)));
using IntLanes = std::int32_t __attribute__((vector_size(4 * EXPO_LANES)));
using BitLanes = std::uint32_t __attribute__((vector_size(4 * EXPO_LANES)));
using HalfLanes = std::uint16_t __attribute__((vector_size(2 * EXPO_LANES)));

using BFloat16 = std::uint16_t;

inline Lanes load(const void* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void store(Lanes value, float* to) {
  std::memcpy(to, &value, sizeof value);
}

inline Lanes all(float value) {
  return value - Lanes{};  // a sum would change −0, and so cost an addition
}

/// The bits of the values rounded to bfloat16: to nearest, ties to even. A NaN stays a NaN.
inline BitLanes rounded_bits(Lanes value) {
  const auto bits = std::bit_cast<BitLanes>(value);
  const BitLanes rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  const auto is_nan = std::bit_cast<BitLanes>(value != value);
  return ((rounded & ~is_nan) | ((bits | 0x400000U) & is_nan)) >> 16;
}

inline void store(Lanes value, BFloat16* to) {
  const HalfLanes halves = __builtin_convertvector(rounded_bits(value), HalfLanes);
  std::memcpy(to, &halves, sizeof halves);
}

inline void store_one(float value, float* to) {
  *to = value;
}

inline void store_one(float value, BFloat16* to) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  *to = static_cast<BFloat16>(value != value ? (bits | 0x400000U) >> 16
                                             : (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// Loads the first `count` < kLanes values and fills the rest with zeros.
inline Lanes load_some(const float* from, std::int64_t count) {
  Lanes value{};
  std::memcpy(&value, from, static_cast<std::size_t>(count) * sizeof(float));
  return value;
}

template <typename Out>
inline void store_some(Lanes value, std::int64_t count, Out* to) {
  for (std::int64_t i = 0; i < count; ++i) store_one(value[i], to + i);
}

inline float sum(Lanes value) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += value[i];
  return total;
}

/// Sets out[i] = body(i, lanes of the inputs at i), for whole vectors first and then for the
/// remaining values.
template <typename Out, typename Body>
inline void map(std::int64_t count, Out* out, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(body([i](const float* x) { return load(x + i); }), out + i);
  if (i < count) {
    const std::int64_t rest = count - i;
    store_some(body([i, rest](const float* x) { return load_some(x + i, rest); }), rest, out + i);
  }
}

/// The two results of a body that computes a pair.
struct Two {
  Lanes first;
  Lanes second;
};

/// The same for a body that returns two values.
template <typename Out, typename Body>
inline void map(std::int64_t count, Out* first, Out* second, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Two values = body([i](const float* x) { return load(x + i); });
    store(values.first, first + i);
    store(values.second, second + i);
  }
  if (i == count) return;
  const std::int64_t rest = count - i;
  const Two values = body([i, rest](const float* x) { return load_some(x + i, rest); });
  store_some(values.first, rest, first + i);
  store_some(values.second, rest, second + i);
}

// Functions of one value

inline Lanes clamp(Lanes x, float low, float high) {
  const Lanes above = x < all(low) ? all(low) : x;
  return above > all(high) ? all(high) : above;
}

/// eˣ, accurate to about one unit in the last place (Cephes' expf); the result for a NaN is a NaN.
inline Lanes exponential(Lanes x) {
  const Lanes bounded = clamp(x, -87.33654F, 88.37626F);
  constexpr float kRounder = 12582912.0F;  // 1.5 · 2²³: adding it leaves no fraction
  const Lanes n = (bounded * 1.44269504F + kRounder) - kRounder;
  const Lanes r = (bounded - n * 0.693359375F) - n * -2.12194440e-4F;
  Lanes poly = all(1.9875691500e-4F);
  poly = poly * r + 1.3981999507e-3F;
  poly = poly * r + 8.3334519073e-3F;
  poly = poly * r + 4.1665795894e-2F;
  poly = poly * r + 1.6666665459e-1F;
  poly = poly * r + 5.0000001201e-1F;
  const Lanes fraction = poly * (r * r) + r + 1.0F;
  const IntLanes exponent = __builtin_convertvector(n, IntLanes) << 23;
  const auto scaled = std::bit_cast<Lanes>(std::bit_cast<IntLanes>(fraction) + exponent);
  return x != x ? x : scaled;
}

inline Lanes hyperbolic_tangent(Lanes x) {
  return 1.0F - 2.0F / (exponential(clamp(x, -20.0F, 20.0F) * 2.0F) + 1.0F);
}

// The activations of a gated MLP; with_slope returns the derivative as well.

/// x · σ(x), where σ is the logistic function.
struct Silu {
  static Lanes value(Lanes x) { return x / (1.0F + exponential(-x)); }
  static Two with_slope(Lanes x) {
    const Lanes share = 1.0F / (1.0F + exponential(-x));
    return {x * share, share * (1.0F + x * (1.0F - share))};
  }
};

/// The tanh approximation of GELU.
struct GeluTanh {
  static constexpr float kRoot = 0.7978845608F;  // √(2/π)
  static constexpr float kCube = 0.044715F;
  static Lanes tangent(Lanes x) { return hyperbolic_tangent(kRoot * (x + kCube * x * x * x)); }
  static Lanes value(Lanes x) { return 0.5F * x * (1.0F + tangent(x)); }
  static Two with_slope(Lanes x) {
    const Lanes t = tangent(x);
    const Lanes inner = kRoot * (1.0F + 3.0F * kCube * x * x);
    return {0.5F * x * (1.0F + t), 0.5F * (1.0F + t + x * (1.0F - t * t) * inner)};
  }
};

/// x · Φ(x).
struct Gelu {
  /// Φ(x), the cumulative distribution function of the normal distribution.
  static Lanes share(Lanes x) {
    Lanes result{};
    for (int i = 0; i < kLanes; ++i) result[i] = 0.5F * (1.0F + std::erf(x[i] * 0.70710678F));
    return result;
  }
  static Lanes value(Lanes x) { return x * share(x); }
  static Two with_slope(Lanes x) {
    const Lanes below = share(x);
    return {x * below, below + x * 0.3989422804F * exponential(-0.5F * x * x)};
  }
};

}  // namespace
}  // namespace expo::EXPO_KERNELS
