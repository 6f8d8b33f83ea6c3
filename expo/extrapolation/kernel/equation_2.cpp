#include "expo/extrapolation/kernel/equation_2.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstdlib>
#include <cstring>

#include "expo/core/error.h"
#include "expo/extrapolation/kernel/paths.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace expo {
namespace {

static_assert(std::endian::native == std::endian::little, "values in files are little-endian");

#if defined(__x86_64__)
/// Reads CPUID itself, because not every compiler's __builtin_cpu_supports knows this feature.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

InstructionSet read_instruction_set() noexcept {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (!avx2) return InstructionSet::scalar;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? InstructionSet::avx512 : InstructionSet::avx2;
}
#else
InstructionSet read_instruction_set() noexcept {
  return InstructionSet::scalar;
}
#endif

/// The result is read once: on a virtual machine, CPUID takes tens of microseconds.
InstructionSet processor_instruction_set() noexcept {
  static const InstructionSet read = read_instruction_set();
  return read;
}

InstructionSet chosen_instruction_set() noexcept {
  const InstructionSet best = processor_instruction_set();
  const char* word = std::getenv("EXPO_ISA");
  if (word == nullptr) return best;
  if (std::strcmp(word, "scalar") == 0) return InstructionSet::scalar;
  if (std::strcmp(word, "avx2") == 0 && best == InstructionSet::avx512) return InstructionSet::avx2;
  return best;
}

void check_type(DType type) {
  if (supports_arithmetic(type)) return;
  throw usage_error(fmt::format(
      "arithmetic is not supported on values of type {}; expected F16, BF16, F32 or F64",
      safetensors_name(type)));
}

void check_instruction_set(InstructionSet instruction_set) {
  if (instruction_set <= processor_instruction_set()) return;
  throw usage_error(
      "this processor lacks the instructions of the requested kernel path; use "
      "best_instruction_set()");
}

void check(const KernelInput& input) {
  check_type(input.sft_type);
  check_type(input.aligned_type);
  check_type(input.out_type);
  if (input.rounding == Rounding::like_original && input.out_type != DType::bf16) {
    throw usage_error(
        fmt::format("rounding like the original script yields BF16, not {}: leave the output type "
                    "at bfloat16, or choose another rounding",
                    safetensors_name(input.out_type)));
  }
}

double fold(const double (&lanes)[kSumLanes]) {
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

DeltaSums fold(const LaneSums& lanes, const KernelInput& input) {
  DeltaSums sums = lanes.counts;
  sums.elements = input.count;
  if (!input.measures) {
    sums.changed = sums.lost = 0;
    return sums;
  }
  sums.theta_squared = fold(lanes.theta_squared);
  sums.sft_squared = fold(lanes.sft_squared);
  sums.theta_dot_sft = fold(lanes.theta_dot_sft);
  sums.delta_squared = fold(lanes.delta_squared);
  sums.applied_dot_delta = fold(lanes.applied_dot_delta);
  return sums;
}

}  // namespace

DeltaSums& DeltaSums::operator+=(const DeltaSums& other) {
  elements += other.elements;
  changed += other.changed;
  lost += other.lost;
  nonfinite_inputs += other.nonfinite_inputs;
  nonfinite_created += other.nonfinite_created;
  theta_squared += other.theta_squared;
  sft_squared += other.sft_squared;
  theta_dot_sft += other.theta_dot_sft;
  delta_squared += other.delta_squared;
  applied_dot_delta += other.applied_dot_delta;
  return *this;
}

InstructionSet best_instruction_set() noexcept {
  static const InstructionSet chosen = chosen_instruction_set();
  return chosen;
}

DeltaSums extrapolate(const KernelInput& input) {
  return extrapolate(input, best_instruction_set());
}

DeltaSums extrapolate(const KernelInput& input, InstructionSet instruction_set) {
  check(input);
  check_instruction_set(instruction_set);
  LaneSums sums;
#if defined(__x86_64__)
  if (instruction_set == InstructionSet::avx512) {
    extrapolate_avx512(input, sums);
    return fold(sums, input);
  }
  if (instruction_set == InstructionSet::avx2) {
    extrapolate_avx2(input, sums);
    return fold(sums, input);
  }
#endif
  extrapolate_scalar(input, sums);
  return fold(sums, input);
}

void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count) {
  convert_values(in, in_type, out, out_type, count, best_instruction_set());
}

void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count, InstructionSet instruction_set) {
  check_type(in_type);
  check_type(out_type);
  check_instruction_set(instruction_set);
  if (in_type == out_type) {
    if (count != 0 && in != out) std::memcpy(out, in, count * byte_width(in_type));
    return;
  }
#if defined(__x86_64__)
  if (instruction_set == InstructionSet::avx512) {
    return convert_avx512(in, in_type, out, out_type, count);
  }
  if (instruction_set == InstructionSet::avx2) {
    return convert_avx2(in, in_type, out, out_type, count);
  }
#endif
  convert_elements(in, in_type, out, out_type, 0, count);
}

std::uint64_t tensor_stream(std::string_view name) noexcept {
  return XXH3_64bits(name.data(), name.size());
}

}  // namespace expo
