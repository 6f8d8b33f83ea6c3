#pragma once

#include <cstdint>

namespace expo {

/// Conversions between float64 and the narrower IEEE 754 formats, as bit patterns: bfloat16 (8
/// exponent bits, 7 fraction bits), binary16 (5, 10) and binary32 (8, 23). They use integers only,
/// so that neither the floating-point environment nor the processor affects the results.
/// Thread-safe.
///
/// Widening is exact. A NaN stays a NaN in every direction: its sign and the leading payload bits
/// are kept, and the quiet bit is set.
double bf16_to_double(std::uint16_t bits) noexcept;
double f16_to_double(std::uint16_t bits) noexcept;
double f32_to_double(std::uint32_t bits) noexcept;

/// Narrowing conversions. They round to nearest, ties to even, in one step (not by way of float32).
/// Subnormals of the target are produced, not flushed; a magnitude of at least the largest finite
/// value plus half its spacing becomes infinity.
std::uint16_t double_to_bf16(double value) noexcept;
std::uint16_t double_to_f16(double value) noexcept;
std::uint32_t double_to_f32(double value) noexcept;

/// Stochastic rounding with 32 uniformly distributed bits. If |value| lies at the fraction f of the
/// way from the representable magnitude below it to the one above, the result is the upper one
/// exactly when floor(f·2³²) + random ≥ 2³²: the probability is f to within 2⁻³² (and equal to f
/// for float32 above its subnormals), so that the expectation is the value itself. Representable
/// values never change, whatever `random` is. Subnormals of the target are treated alike. Beyond
/// the largest finite value no expectation could be kept, since the upper neighbour is infinity:
/// there the result is rounded to nearest, so that overflow does not depend on `random`.
std::uint16_t double_to_bf16_stochastic(double value, std::uint32_t random) noexcept;
std::uint16_t double_to_f16_stochastic(double value, std::uint32_t random) noexcept;
std::uint32_t double_to_f32_stochastic(double value, std::uint32_t random) noexcept;

}  // namespace expo
