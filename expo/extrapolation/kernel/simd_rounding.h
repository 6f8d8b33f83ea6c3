#pragma once

#include "expo/core/float_formats.h"
#include "expo/extrapolation/kernel/simd_values.h"

// Converts θ + αΔ in float64 to codes of the output type, 16 elements at a time, and computes the
// draws of stochastic rounding.

namespace expo::simd {

/// Computes the draws of the elements [first, first + count), where first is a multiple of
/// kDrawGroup; whole groups are written.
template <class Isa>
void fill_draws(const KernelInput& input, std::uint64_t first, std::size_t count,
                std::uint32_t* draws) {
  using U = typename Isa::U;
  constexpr std::uint64_t kHalf = 0xffffffff;
  for (std::size_t group = 0; group < count; group += kDrawGroup) {
    // The lower half of each 64-bit lane holds one word of its Philox block, the upper half
    // garbage.
    U word0 = Isa::count_up((first + group) / kDrawGroup * kSumLanes);
    U word1 = Isa::template shift_right<32>(word0);
    U word2 = Isa::set(input.stream & kHalf);
    U word3 = Isa::set(input.stream >> 32);
    std::uint64_t key0 = input.seed & kHalf;
    std::uint64_t key1 = input.seed >> 32;
    for (int round = 0; round < 10; ++round) {
      const U product0 = Isa::multiply_halves(word0, Isa::set(std::uint64_t{0xD2511F53}));
      const U product1 = Isa::multiply_halves(word2, Isa::set(std::uint64_t{0xCD9E8D57}));
      word0 = Isa::exclusive_or(Isa::template shift_right<32>(product1), word1, Isa::set(key0));
      word1 = product1;
      word2 = Isa::exclusive_or(Isa::template shift_right<32>(product0), word3, Isa::set(key1));
      word3 = product0;
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    Isa::store_draws(draws + group, word0);
    Isa::store_draws(draws + group + 8, word1);
    Isa::store_draws(draws + group + 16, word2);
    Isa::store_draws(draws + group + 24, word3);
  }
}

/// The values of a step before rounding.
template <class Isa>
struct Step {
  Pair<Isa> theta, sft, delta, sum;
};

/// `values` are the numbers that `codes` represent; `unmoved` is θ rounded in the same way.
template <class Isa, class Output>
struct Result {
  typename Output::Codes codes;
  Pair<Isa> values, unmoved;
};

// Every rounding has round(step, draws, result), which returns false if the step holds anything but
// finite numbers.

/// Rounds to nearest.
template <class Isa, class Input, class Output>
struct Nearest {
  static constexpr bool kDraws = false;
  explicit Nearest(const KernelInput&) {}

  bool round(const Step<Isa>& step, const std::uint32_t*, Result<Isa, Output>& result) const {
    if (Isa::any_beyond(step.sum, Output::kLargest)) return false;
    result.codes = Output::nearest(step.sum);
    result.values = Output::values(result.codes);
    if constexpr (kFits<Input, Output>) {
      result.unmoved = step.theta;
    } else {
      result.unmoved = Output::values(Output::nearest(step.theta));
    }
    return true;
  }
};

/// Rounds up or down with the step's draws.
template <class Isa, class Input, class Output>
struct Stochastic {
  static constexpr bool kDraws = true;
  static constexpr int kDropped = 52 - Output::kFractionBits;
  // A subnormal is raised by the smallest normal number, so that its last place is where a normal
  // number has it; that leaves room for 32 bits of fraction below it in all formats but float32.
  static constexpr bool kLiftsSubnormals = kDropped >= 32;
  explicit Stochastic(const KernelInput&) {}

  bool round(const Step<Isa>& step, const std::uint32_t* draws, Result<Isa, Output>& result) const {
    if (!fit(step.sum)) return false;
    const auto low = Isa::load_draws(draws);
    const auto high = Isa::load_draws(draws + 8);
    result.values = {up_or_down(step.sum.low, low), up_or_down(step.sum.high, high)};
    result.codes = Output::exact(result.values);
    if constexpr (kFits<Input, Output>) {
      result.unmoved = step.theta;
    } else {
      if (!fit(step.theta)) return false;
      result.unmoved = {up_or_down(step.theta.low, low), up_or_down(step.theta.high, high)};
    }
    return true;
  }

 private:
  using D = typename Isa::D;
  using U = typename Isa::U;

  static bool fit(const Pair<Isa>& x) {
    if (Isa::any_beyond(x, Output::kLargest)) return false;
    return kLiftsSubnormals || !Isa::any_subnormal(x, Output::kSmallestNormal);
  }

  /// Adds the draw just below the last place that is kept; a carry into it rounds up.
  static D up_or_down(D x, U draws) {
    const D magnitude = Isa::magnitude(x);
    D lift = Isa::set(0.0);
    if constexpr (kLiftsSubnormals) lift = Isa::set_below(magnitude, Output::kSmallestNormal);
    U bits = Isa::bits(magnitude);
    if constexpr (kLiftsSubnormals) bits = Isa::bits(Isa::add_toward_zero(magnitude, lift));
    bits = Isa::add(bits, aligned(draws));
    bits = Isa::template clear_low<kDropped>(bits);
    return Isa::with_sign_of(Isa::subtract(Isa::number(bits), lift), x);
  }

  static U aligned(U draws) {
    if constexpr (kLiftsSubnormals) {
      return Isa::template shift_left<kDropped - 32>(draws);
    } else {
      return Isa::template shift_right<32 - kDropped>(draws);
    }
  }
};

/// Rounds three times, as the original script does.
template <class Isa, class Input, class Output>
struct LikeOriginal {
  static constexpr bool kDraws = false;
  explicit LikeOriginal(const KernelInput& input)
      : alpha_(Isa::set_single(__builtin_bit_cast(float, double_to_f32(input.alpha)))) {}

  bool round(const Step<Isa>& step, const std::uint32_t*, Result<Isa, Output>& result) const {
    if (Isa::any_beyond(step.theta, Output::kLargest)) return false;
    if (Isa::any_beyond(step.sft, Output::kLargest)) return false;
    const F theta = Isa::round_to_bf16(Isa::narrow(step.theta));
    const F sft = Isa::round_to_bf16(Isa::narrow(step.sft));
    const F delta = Isa::round_to_bf16(Isa::subtract(theta, sft));
    const F moved = Isa::round_to_bf16(Isa::multiply(alpha_, delta));
    result.codes = Isa::round_to_bf16(Isa::add(theta, moved));
    result.values = Isa::widen(result.codes);
    result.unmoved = Isa::widen(theta);
    return !Isa::any_beyond(result.values, Output::kLargest);
  }

 private:
  using F = typename Isa::F;
  F alpha_;
};

}  // namespace expo::simd
