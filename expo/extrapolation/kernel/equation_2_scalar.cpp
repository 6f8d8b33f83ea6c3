#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "expo/core/float_formats.h"
#include "expo/core/philox.h"
#include "expo/extrapolation/kernel/paths.h"

namespace expo {
namespace {

template <class Bits>
Bits load_bits(const std::byte* values, std::size_t index) {
  Bits bits;
  std::memcpy(&bits, values + index * sizeof bits, sizeof bits);
  return bits;
}

template <class Bits>
void store_bits(std::byte* values, std::size_t index, std::uint64_t wide) {
  const auto bits = static_cast<Bits>(wide);
  std::memcpy(values + index * sizeof bits, &bits, sizeof bits);
}

std::uint64_t load_code(const std::byte* values, DType type, std::size_t index) {
  switch (type) {
    case DType::f64:
      return load_bits<std::uint64_t>(values, index);
    case DType::f32:
      return load_bits<std::uint32_t>(values, index);
    default:
      return load_bits<std::uint16_t>(values, index);
  }
}

void store_code(std::byte* values, DType type, std::size_t index, std::uint64_t code) {
  switch (type) {
    case DType::f64:
      return store_bits<std::uint64_t>(values, index, code);
    case DType::f32:
      return store_bits<std::uint32_t>(values, index, code);
    default:
      return store_bits<std::uint16_t>(values, index, code);
  }
}

double decode(std::uint64_t code, DType type) {
  switch (type) {
    case DType::f64:
      return std::bit_cast<double>(code);
    case DType::f32:
      return f32_to_double(static_cast<std::uint32_t>(code));
    case DType::f16:
      return f16_to_double(static_cast<std::uint16_t>(code));
    default:
      return bf16_to_double(static_cast<std::uint16_t>(code));
  }
}

std::uint64_t encode_nearest(double value, DType type) {
  switch (type) {
    case DType::f64:
      return std::bit_cast<std::uint64_t>(value);
    case DType::f32:
      return double_to_f32(value);
    case DType::f16:
      return double_to_f16(value);
    default:
      return double_to_bf16(value);
  }
}

std::uint64_t encode_stochastic(double value, DType type, std::uint32_t draw) {
  switch (type) {
    case DType::f64:
      return std::bit_cast<std::uint64_t>(value);
    case DType::f32:
      return double_to_f32_stochastic(value, draw);
    case DType::f16:
      return double_to_f16_stochastic(value, draw);
    default:
      return double_to_bf16_stochastic(value, draw);
  }
}

double canonical_nan() {
  return std::numeric_limits<double>::quiet_NaN();
}

struct Element {
  std::uint64_t theta_code = 0;
  double theta = 0;
  double sft = 0;
  std::uint32_t draw = 0;
};

/// θ + αΔ in float64, before rounding.
double extrapolated(const Element& element, double alpha) {
  if (!std::isfinite(element.theta) || !std::isfinite(element.sft) ||
      element.theta == element.sft || alpha == 0) {
    return element.theta;
  }
  return element.theta + alpha * (element.theta - element.sft);  // equation 2 of the paper
}

std::uint64_t rounded(double value, const Element& element, const KernelInput& input) {
  return input.rounding == Rounding::stochastic
             ? encode_stochastic(value, input.out_type, element.draw)
             : encode_nearest(value, input.out_type);
}

/// Casts a value; float64 goes by way of float32, as in PyTorch's cast.
float cast_to_bf16(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (std::isnan(value)) return std::bit_cast<float>(bits | 0x400000);
  const std::uint32_t odd = bits >> 16 & 1;
  return std::bit_cast<float>((bits + 0x7fff + odd) & 0xffff0000);
}

std::uint64_t like_original(const Element& element, double alpha) {
  const float theta = cast_to_bf16(element.theta);
  const float delta = cast_to_bf16(theta - cast_to_bf16(element.sft));
  const float step = cast_to_bf16(std::bit_cast<float>(double_to_f32(alpha)) * delta);
  const float sum = theta + step;
  return double_to_bf16(std::isnan(sum) ? canonical_nan() : double{sum});
}

std::uint64_t result_code(const Element& element, const KernelInput& input) {
  if (input.rounding == Rounding::like_original) return like_original(element, input.alpha);
  // A signalling NaN would not survive the conversion to float64.
  if (std::isnan(element.theta) && input.aligned_type == input.out_type) return element.theta_code;
  return rounded(extrapolated(element, input.alpha), element, input);
}

/// θ rounded to the output type: the result for α = 0.
double unmoved(const Element& element, const KernelInput& input) {
  if (input.rounding == Rounding::like_original) return double{cast_to_bf16(element.theta)};
  return decode(rounded(element.theta, element, input), input.out_type);
}

void add_to_sums(const Element& element, double result, std::size_t lane, LaneSums& sums) {
  const double delta = element.theta - element.sft;
  sums.theta_squared[lane] += element.theta * element.theta;
  sums.sft_squared[lane] += element.sft * element.sft;
  sums.theta_dot_sft[lane] += element.theta * element.sft;
  sums.delta_squared[lane] += delta * delta;
  sums.applied_dot_delta[lane] += (result - element.theta) * delta;
}

void tally(const Element& element, double result, const KernelInput& input, std::size_t lane,
           LaneSums& sums) {
  const bool both_nan = std::isnan(element.theta) && std::isnan(element.sft);
  const bool differs = element.theta != element.sft && !both_nan;
  sums.counts.changed += differs ? 1 : 0;
  if (!std::isfinite(element.theta) || !std::isfinite(element.sft)) {
    ++sums.counts.nonfinite_inputs;
    return;
  }
  const bool lost = differs && input.alpha != 0 && result == unmoved(element, input);
  sums.counts.lost += lost ? 1 : 0;
  if (!std::isfinite(result)) {
    ++sums.counts.nonfinite_created;
    return;
  }
  add_to_sums(element, result, lane, sums);
}

void fill_draws(const KernelInput& input, std::uint64_t first, std::size_t count,
                std::uint32_t* draws) {
  const RandomStream stream(input.seed, input.stream);
  for (std::size_t group = 0; group < count; group += kDrawGroup) {
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) {
      const auto words = stream.block((first + group) / kDrawGroup * kSumLanes + lane);
      for (std::size_t word = 0; word < 4; ++word) {
        draws[group + word * kSumLanes + lane] = words[word];
      }
    }
  }
}

}  // namespace

void extrapolate_elements(const KernelInput& input, std::size_t begin, std::size_t end,
                          const std::uint32_t* draws, LaneSums& sums) {
  for (std::size_t i = begin; i < end; ++i) {
    Element element;
    element.theta_code = load_code(input.aligned, input.aligned_type, i);
    element.theta = decode(element.theta_code, input.aligned_type);
    element.sft = decode(load_code(input.sft, input.sft_type, i), input.sft_type);
    if (draws != nullptr) element.draw = draws[i - begin];
    const std::uint64_t code = result_code(element, input);
    if (input.out != nullptr) store_code(input.out, input.out_type, i, code);
    tally(element, decode(code, input.out_type), input, i % kSumLanes, sums);
  }
}

void extrapolate_scalar(const KernelInput& input, LaneSums& sums) {
  if (input.rounding != Rounding::stochastic) {
    return extrapolate_elements(input, 0, input.count, nullptr, sums);
  }
  std::uint32_t draws[kDrawBuffer];
  for (std::size_t begin = 0; begin < input.count; begin += kDrawRun) {
    const std::size_t end = std::min(begin + kDrawRun, input.count);
    const std::size_t skipped = (input.first_element + begin) % kDrawGroup;
    fill_draws(input, input.first_element + begin - skipped, skipped + (end - begin), draws);
    extrapolate_elements(input, begin, end, draws + skipped, sums);
  }
}

void convert_elements(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                      std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    const double value = decode(load_code(in, in_type, i), in_type);
    store_code(out, out_type, i, encode_nearest(value, out_type));
  }
}

}  // namespace expo
