#pragma once

#include "expo/extrapolation/kernel/simd_rounding.h"

// The loops over a run, and their selection by types and rounding.

namespace expo::simd {

/// The sums of a run in vector registers.
template <class Isa>
struct Sums {
  typename Isa::D theta_squared, sft_squared, theta_dot_sft, delta_squared, applied_dot_delta;
  std::uint64_t changed = 0;
  std::uint64_t lost = 0;

  explicit Sums(const LaneSums& lanes) { load(lanes); }

  void load(const LaneSums& lanes) {
    theta_squared = Isa::load(lanes.theta_squared);
    sft_squared = Isa::load(lanes.sft_squared);
    theta_dot_sft = Isa::load(lanes.theta_dot_sft);
    delta_squared = Isa::load(lanes.delta_squared);
    applied_dot_delta = Isa::load(lanes.applied_dot_delta);
  }
  void save(LaneSums& lanes) const {
    Isa::store(lanes.theta_squared, theta_squared);
    Isa::store(lanes.sft_squared, sft_squared);
    Isa::store(lanes.theta_dot_sft, theta_dot_sft);
    Isa::store(lanes.delta_squared, delta_squared);
    Isa::store(lanes.applied_dot_delta, applied_dot_delta);
  }

  template <bool kExactProducts>
  void add(typename Isa::D theta, typename Isa::D sft, typename Isa::D delta,
           typename Isa::D result) {
    theta_squared = Isa::template accumulate<kExactProducts>(theta, theta, theta_squared);
    sft_squared = Isa::template accumulate<kExactProducts>(sft, sft, sft_squared);
    theta_dot_sft = Isa::template accumulate<kExactProducts>(theta, sft, theta_dot_sft);
    delta_squared = Isa::template accumulate<false>(delta, delta, delta_squared);
    applied_dot_delta =
        Isa::template accumulate<false>(Isa::subtract(result, theta), delta, applied_dot_delta);
  }
};

/// α, and the zero that keeps every θ unchanged if the product with Δ is zero.
template <class Isa>
struct Factor {
  typename Isa::D alpha, zero;
  explicit Factor(double value) : alpha(Isa::set(value)), zero(Isa::set(value == 0 ? -0.0 : 0.0)) {}
  /// θ where Δ = 0, else θ + αΔ. Since −0 + 0 would be 0, −0 is added if α = 0.
  typename Isa::D apply(typename Isa::M differs, typename Isa::D theta,
                        typename Isa::D delta) const {
    const auto product = Isa::bitwise_or(Isa::multiply(alpha, delta), zero);
    return Isa::add_where(differs, theta, product);  // equation 2 of the paper
  }
};

/// Prefetches what is needed some steps later: the processor's own prefetching stops at the end of
/// each page, and a mapped file has many. An address without memory is ignored.
template <class Input>
void fetch_ahead(const std::byte* values, std::size_t index) {
  constexpr std::size_t kAhead = 1024;
  __builtin_prefetch(values + index * Input::kWidth + kAhead);
}

/// Extrapolates the elements [begin, end) of the run; `begin` is a multiple of the step.
template <class Isa, class Input, class Output, class Round, bool kMeasures>
void extrapolate_elements_of(const KernelInput& input, const Input& sft_values,
                             const Input& aligned_values, std::size_t begin, std::size_t end,
                             const std::uint32_t* draws, LaneSums& lanes) {
  const Factor<Isa> factor(input.alpha);
  const Round rounding(input);
  std::byte* const out = input.out;
  Sums<Isa> sums(lanes);
  std::size_t i = begin;
  for (; i + kStep <= end; i += kStep) {
    fetch_ahead<Input>(aligned_values.values, i);
    fetch_ahead<Input>(sft_values.values, i);
    Step<Isa> step;
    step.theta = aligned_values.load(i);
    step.sft = sft_values.load(i);
    step.delta = {Isa::subtract(step.theta.low, step.sft.low),
                  Isa::subtract(step.theta.high, step.sft.high)};
    const auto differs_low = Isa::not_equal(step.theta.low, step.sft.low);
    const auto differs_high = Isa::not_equal(step.theta.high, step.sft.high);
    step.sum = {factor.apply(differs_low, step.theta.low, step.delta.low),
                factor.apply(differs_high, step.theta.high, step.delta.high)};
    Result<Isa, Output> result;
    if (!rounding.round(step, draws + (Round::kDraws ? i - begin : 0), result)) [[unlikely]] {
      sums.save(lanes);
      extrapolate_elements(input, i, i + kStep, draws + (Round::kDraws ? i - begin : 0), lanes);
      sums.load(lanes);
      continue;
    }
    if (out != nullptr) Output::store(out, i, result.codes);
    if constexpr (!kMeasures) continue;
    sums.template add<Input::kExactProducts>(step.theta.low, step.sft.low, step.delta.low,
                                             result.values.low);
    sums.template add<Input::kExactProducts>(step.theta.high, step.sft.high, step.delta.high,
                                             result.values.high);
    sums.changed += Isa::count(differs_low, differs_high);
    sums.lost +=
        Isa::count(Isa::equal_where(differs_low, result.values.low, result.unmoved.low),
                   Isa::equal_where(differs_high, result.values.high, result.unmoved.high));
  }
  sums.save(lanes);
  lanes.counts.changed += sums.changed;
  if (input.alpha != 0) lanes.counts.lost += sums.lost;
  extrapolate_elements(input, i, end, draws + (Round::kDraws ? i - begin : 0), lanes);
}

template <class Isa, class Input, class Output, class Round>
void extrapolate_run(const KernelInput& input, const Input& sft, const Input& aligned,
                     std::size_t begin, std::size_t end, const std::uint32_t* draws,
                     LaneSums& lanes) {
  if (input.measures) {
    extrapolate_elements_of<Isa, Input, Output, Round, true>(input, sft, aligned, begin, end, draws,
                                                             lanes);
  } else {
    extrapolate_elements_of<Isa, Input, Output, Round, false>(input, sft, aligned, begin, end,
                                                              draws, lanes);
  }
}

template <class Isa, class Input, class Output>
void extrapolate_stochastic(const KernelInput& input, const Input& sft, const Input& aligned,
                            LaneSums& lanes) {
  alignas(64) std::uint32_t draws[kDrawBuffer];
  for (std::size_t begin = 0; begin < input.count; begin += kDrawRun) {
    const std::size_t rest = input.count - begin;
    const std::size_t length = rest < kDrawRun ? rest : kDrawRun;
    const std::size_t skipped = (input.first_element + begin) % kDrawGroup;
    fill_draws<Isa>(input, input.first_element + begin - skipped, skipped + length, draws);
    extrapolate_run<Isa, Input, Output, Stochastic<Isa, Input, Output>>(
        input, sft, aligned, begin, begin + length, draws + skipped, lanes);
  }
}

template <class Isa, class Input, class Output>
void extrapolate_typed(const KernelInput& input, const Input& sft, const Input& aligned,
                       LaneSums& lanes) {
  if constexpr (Output::kType != DType::f64) {
    if (input.rounding == Rounding::stochastic) {
      return extrapolate_stochastic<Isa, Input, Output>(input, sft, aligned, lanes);
    }
  }
  extrapolate_run<Isa, Input, Output, Nearest<Isa, Input, Output>>(input, sft, aligned, 0,
                                                                   input.count, nullptr, lanes);
}

template <class Isa, class Output>
void extrapolate_into(const KernelInput& input, LaneSums& lanes) {
  const AnyValues<Isa> sft{input.sft, input.sft_type};
  const AnyValues<Isa> aligned{input.aligned, input.aligned_type};
  if constexpr (Output::kType == DType::bf16) {
    if (input.rounding == Rounding::like_original) {
      return extrapolate_run<Isa, AnyValues<Isa>, Output,
                             LikeOriginal<Isa, AnyValues<Isa>, Output>>(
          input, sft, aligned, 0, input.count, nullptr, lanes);
    }
  }
  if (input.sft_type != input.aligned_type) {
    return extrapolate_typed<Isa, AnyValues<Isa>, Output>(input, sft, aligned, lanes);
  }
  const auto run = [&]<class Input>(Input first, Input second) {
    extrapolate_typed<Isa, Input, Output>(input, first, second, lanes);
  };
  switch (input.aligned_type) {
    case DType::bf16:
      return run(Bf16Values<Isa>{input.sft}, Bf16Values<Isa>{input.aligned});
    case DType::f16:
      return run(F16Values<Isa>{input.sft}, F16Values<Isa>{input.aligned});
    case DType::f32:
      return run(F32Values<Isa>{input.sft}, F32Values<Isa>{input.aligned});
    default:
      return run(F64Values<Isa>{input.sft}, F64Values<Isa>{input.aligned});
  }
}

template <class Isa>
void extrapolate(const KernelInput& input, LaneSums& lanes) {
  switch (input.out_type) {
    case DType::bf16:
      return extrapolate_into<Isa, Bf16Output<Isa>>(input, lanes);
    case DType::f16:
      return extrapolate_into<Isa, F16Output<Isa>>(input, lanes);
    case DType::f32:
      return extrapolate_into<Isa, F32Output<Isa>>(input, lanes);
    default:
      return extrapolate_into<Isa, F64Output<Isa>>(input, lanes);
  }
}

template <class Isa, class Output>
void convert_into(const std::byte* in, DType in_type, std::byte* out, std::size_t count) {
  const AnyValues<Isa> values{in, in_type};
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    const Pair<Isa> x = values.load(i);
    if (Isa::any_beyond(x, Output::kLargest)) [[unlikely]] {
      convert_elements(in, in_type, out, Output::kType, i, i + kStep);
    } else {
      Output::store(out, i, Output::nearest(x));
    }
  }
  convert_elements(in, in_type, out, Output::kType, i, count);
}

template <class Isa>
void convert(const std::byte* in, DType in_type, std::byte* out, DType out_type,
             std::size_t count) {
  switch (out_type) {
    case DType::bf16:
      return convert_into<Isa, Bf16Output<Isa>>(in, in_type, out, count);
    case DType::f16:
      return convert_into<Isa, F16Output<Isa>>(in, in_type, out, count);
    case DType::f32:
      return convert_into<Isa, F32Output<Isa>>(in, in_type, out, count);
    default:
      return convert_into<Isa, F64Output<Isa>>(in, in_type, out, count);
  }
}

}  // namespace expo::simd
