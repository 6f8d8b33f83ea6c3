#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "expo/core/float_formats.h"
#include "expo/extrapolation/kernel/equation_2.h"

// Values for tests of the kernel, and a way to run it over them.

namespace expo::kernel_cases {

using Bytes = std::vector<std::byte>;

inline constexpr DType kTypes[] = {DType::bf16, DType::f16, DType::f32, DType::f64};
inline void put(Bytes& bytes, std::size_t index, DType type, std::uint64_t code) {
  std::memcpy(bytes.data() + index * byte_width(type), &code, byte_width(type));
}

inline std::uint64_t code_at(const Bytes& bytes, std::size_t index, DType type) {
  std::uint64_t code = 0;
  std::memcpy(&code, bytes.data() + index * byte_width(type), byte_width(type));
  return code;
}

inline double value_of(std::uint64_t code, DType type) {
  if (type == DType::bf16) return bf16_to_double(static_cast<std::uint16_t>(code));
  if (type == DType::f16) return f16_to_double(static_cast<std::uint16_t>(code));
  if (type == DType::f32) return f32_to_double(static_cast<std::uint32_t>(code));
  return std::bit_cast<double>(code);
}

inline std::uint64_t code_of(double value, DType type) {
  if (type == DType::bf16) return double_to_bf16(value);
  if (type == DType::f16) return double_to_f16(value);
  if (type == DType::f32) return double_to_f32(value);
  return std::bit_cast<std::uint64_t>(value);
}

inline std::uint64_t stochastic_code(double value, DType type, std::uint32_t draw) {
  if (type == DType::bf16) return double_to_bf16_stochastic(value, draw);
  if (type == DType::f16) return double_to_f16_stochastic(value, draw);
  if (type == DType::f32) return double_to_f32_stochastic(value, draw);
  return std::bit_cast<std::uint64_t>(value);
}

/// What comes up in files, and what should not: ±0, subnormals of each format, the largest values,
/// ±infinity, quiet and signalling NaNs.
inline std::uint64_t special_code(DType type, std::mt19937_64& random) {
  const unsigned bits = bit_width(type);
  const std::uint64_t sign = (random() & 1) << (bits - 1);
  const unsigned fraction = type == DType::bf16  ? 7
                            : type == DType::f16 ? 10
                            : type == DType::f32 ? 23
                                                 : 52;
  const std::uint64_t infinity = ((std::uint64_t{1} << (bits - 1)) - 1) >> fraction << fraction;
  switch (random() % 9) {
    case 0:
      return sign;
    case 1:
      return sign | 1;
    case 2:
      return sign | ((std::uint64_t{1} << fraction) - 1);
    case 3:
      return sign | std::uint64_t{1} << fraction;
    case 4:
      return sign | (infinity - 1);
    case 5:
      return sign | infinity;
    case 6:
      return sign | infinity | 1;
    case 7:
      return sign | infinity | (std::uint64_t{1} << (fraction - 1));
    default:
      return sign | (random() & (infinity - 1));
  }
}

enum class Contents { weights, tiny, arbitrary, special };

/// `other` values near those of `base` (as from a short training), or unrelated ones.
inline Bytes make_values(DType type, std::size_t count, Contents contents, std::mt19937_64& random,
                         const std::vector<double>& base, std::vector<double>& values) {
  Bytes bytes(count * byte_width(type));
  values.resize(count);
  std::normal_distribution<double> normal;
  for (std::size_t i = 0; i < count; ++i) {
    const double near = base.empty() ? 0.02 * normal(random)
                                     : base[i] + (random() % 3 == 0 ? 1e-4 * normal(random) : 0);
    std::uint64_t code = code_of(near, type);
    if (contents == Contents::tiny) {
      const double scale = std::ldexp(1.0, type == DType::f16 ? -16 : -132);
      code = code_of(scale * (base.empty() ? normal(random) : 1.5 * normal(random)), type);
    }
    if (contents == Contents::arbitrary) code = random() >> (64 - bit_width(type));
    if (contents == Contents::special && random() % 5 != 0) code = special_code(type, random);
    put(bytes, i, type, code);
    values[i] = value_of(code, type);
  }
  return bytes;
}

struct Pair {
  Bytes sft, aligned;
};

inline Pair make_pair(DType sft_type, DType aligned_type, std::size_t count, Contents contents,
                      std::mt19937_64& random) {
  std::vector<double> base;
  std::vector<double> ignored;
  Pair pair;
  pair.sft = make_values(sft_type, count, contents, random, {}, base);
  pair.aligned = make_values(aligned_type, count, contents, random, base, ignored);
  return pair;
}

struct Outcome {
  Bytes out;
  DeltaSums sums;
};

inline Outcome run(const Pair& pair, KernelInput input, InstructionSet path) {
  input.sft = pair.sft.data();
  input.aligned = pair.aligned.data();
  input.count = pair.sft.size() / byte_width(input.sft_type);
  Outcome outcome;
  outcome.out.resize(input.count * byte_width(input.out_type));
  input.out = outcome.out.data();
  outcome.sums = extrapolate(input, path);
  return outcome;
}

inline bool same(const DeltaSums& a, const DeltaSums& b) {
  const auto equal = [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y) ||
           (std::isnan(x) && std::isnan(y));
  };
  return a.elements == b.elements && a.changed == b.changed && a.lost == b.lost &&
         a.nonfinite_inputs == b.nonfinite_inputs && a.nonfinite_created == b.nonfinite_created &&
         equal(a.theta_squared, b.theta_squared) && equal(a.sft_squared, b.sft_squared) &&
         equal(a.theta_dot_sft, b.theta_dot_sft) && equal(a.delta_squared, b.delta_squared) &&
         equal(a.applied_dot_delta, b.applied_dot_delta);
}

}  // namespace expo::kernel_cases
