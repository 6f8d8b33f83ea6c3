#include "expo/extrapolation/kernel/equation_2.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "expo/core/error.h"
#include "expo/core/philox.h"
#include "extrapolation/kernel_cases.h"

namespace expo {
namespace {

using namespace kernel_cases;

TEST(Kernel, NoOutputLeavesTheSumsAsTheyAre) {
  std::mt19937_64 random(5);
  const Pair pair = make_pair(DType::bf16, DType::bf16, 500, Contents::weights, random);
  KernelInput input;
  input.alpha = 0.3;
  const Outcome outcome = run(pair, input, best_instruction_set());
  input.sft = pair.sft.data();
  input.aligned = pair.aligned.data();
  input.count = 500;
  EXPECT_TRUE(same(extrapolate(input), outcome.sums));
}

/// Every 16-bit code against itself, and against others with α = 0.
TEST(Kernel, NothingToDoGivesEveryCodeBack) {
  for (const DType type : {DType::bf16, DType::f16}) {
    Pair pair{Bytes(2 * 65536), Bytes(2 * 65536)};
    for (std::size_t i = 0; i < 65536; ++i) put(pair.aligned, i, type, i);
    for (const Rounding rounding : {Rounding::nearest, Rounding::stochastic}) {
      KernelInput input;
      input.sft_type = input.aligned_type = input.out_type = type;
      input.rounding = rounding;
      for (int path = 0; path <= static_cast<int>(best_instruction_set()); ++path) {
        for (const double alpha : {0.0, -0.0}) {
          input.alpha = alpha;
          EXPECT_EQ(run(pair, input, static_cast<InstructionSet>(path)).out, pair.aligned);
        }
        for (const double alpha : {0.3, -0.5, 1e300}) {
          input.alpha = alpha;
          const Outcome outcome =
              run({pair.aligned, pair.aligned}, input, static_cast<InstructionSet>(path));
          EXPECT_EQ(outcome.out, pair.aligned);
          EXPECT_EQ(outcome.sums.changed, 0u);
        }
      }
    }
  }
}

TEST(Kernel, StochasticDrawsDoNotDependOnTheCutting) {
  const unsigned seed = 6;
  std::mt19937_64 random(seed);
  for (int path = 0; path <= static_cast<int>(best_instruction_set()); ++path) {
    const Pair pair = make_pair(DType::f32, DType::bf16, 3000, Contents::weights, random);
    KernelInput input;
    input.sft_type = DType::f32;
    input.alpha = 0.3;
    input.rounding = Rounding::stochastic;
    input.seed = 99;
    input.stream = 7;
    input.first_element = 12345678901;
    const Outcome whole = run(pair, input, static_cast<InstructionSet>(path));
    Bytes cut(whole.out.size());
    for (std::size_t begin = 0; begin < 3000;) {
      const std::size_t length = std::min<std::size_t>(random() % 700, 3000 - begin);
      KernelInput part = input;
      part.sft = pair.sft.data() + 4 * begin;
      part.aligned = pair.aligned.data() + 2 * begin;
      part.out = cut.data() + 2 * begin;
      part.count = length;
      part.first_element = input.first_element + begin;
      extrapolate(part, static_cast<InstructionSet>(path));
      begin += length;
    }
    EXPECT_EQ(cut, whole.out) << "seed " << seed;
  }
}

/// The draw of element e: word e/8 mod 4 of the block (e/32)·8 + e mod 8 of its stream.
TEST(Kernel, StochasticUsesTheDocumentedDraws) {
  std::mt19937_64 random(7);
  for (const DType out : kTypes) {
    const Pair pair = make_pair(DType::f64, DType::f64, 1000, Contents::weights, random);
    KernelInput input;
    input.sft_type = input.aligned_type = DType::f64;
    input.out_type = out;
    input.alpha = 8;
    input.rounding = Rounding::stochastic;
    input.seed = 0x123456789abcdef0;
    input.stream = 0xfedcba9876543210;
    input.first_element = (std::uint64_t{1} << 40) - 500;
    const Outcome outcome = run(pair, input, best_instruction_set());
    const RandomStream stream(input.seed, input.stream);
    for (std::size_t i = 0; i < 1000; ++i) {
      const std::uint64_t element = input.first_element + i;
      const std::uint32_t draw = stream.block(element / 32 * 8 + element % 8)[element / 8 % 4];
      const double theta = value_of(code_at(pair.aligned, i, DType::f64), DType::f64);
      const double sft = value_of(code_at(pair.sft, i, DType::f64), DType::f64);
      const double step = 8 * (theta - sft);
      ASSERT_EQ(code_at(outcome.out, i, out), stochastic_code(theta + step, out, draw)) << i;
    }
  }
}

/// Many roundings of one value have that value as their mean.
TEST(Kernel, StochasticMeanIsTheValue) {
  const std::uint64_t seed = 2024;
  constexpr std::size_t kCount = 200'000;
  for (const DType type : {DType::bf16, DType::f16, DType::f32}) {
    for (const double theta : {0.75, -3e-5, 1e-7, -2e-40}) {
      const double rounded = value_of(code_of(theta, type), type);
      const double spacing = value_of(code_of(rounded, type) + 1, type) - rounded;
      for (const double share : {0.01, 0.3, 0.5, 0.97}) {
        Pair pair{Bytes(8 * kCount), Bytes(8 * kCount)};
        const double wanted = rounded + share * spacing;
        for (std::size_t i = 0; i < kCount; ++i) {
          put(pair.sft, i, DType::f64, std::bit_cast<std::uint64_t>(rounded));
          put(pair.aligned, i, DType::f64, std::bit_cast<std::uint64_t>(wanted));
        }
        KernelInput input;  // α = 0: only rounds
        input.sft_type = input.aligned_type = DType::f64;
        input.out_type = type;
        input.rounding = Rounding::stochastic;
        input.seed = seed;
        const Outcome outcome = run(pair, input, best_instruction_set());
        double up = 0;
        for (std::size_t i = 0; i < kCount; ++i) {
          const double steps = (value_of(code_at(outcome.out, i, type), type) - rounded) / spacing;
          ASSERT_TRUE(steps == 0 || steps == 1) << steps;
          up += steps;
        }
        const double deviation = std::sqrt(kCount * share * (1 - share));
        EXPECT_LT(std::abs(up - kCount * share), 4.5 * deviation)
            << "seed " << seed << ", " << safetensors_name(type) << ' ' << theta << ' ' << share;
      }
    }
  }
}

TEST(Kernel, CountsWhatHappened) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  // 1 is unchanged, 1 + 2⁻⁷ moves at α = 1, and loses its update at α = 0.25.
  const double theta[] = {1, 1.0078125, 1.0078125, inf, nan, nan, 3e38, 0.0};
  const double sft[] = {1, 1, 1, 1, nan, 2, -3e38, -0.0};
  Pair pair{Bytes(16), Bytes(16)};
  for (std::size_t i = 0; i < 8; ++i) {
    put(pair.aligned, i, DType::bf16, double_to_bf16(theta[i]));
    put(pair.sft, i, DType::bf16, double_to_bf16(sft[i]));
  }
  KernelInput input;
  input.alpha = 0.25;
  const DeltaSums sums = run(pair, input, InstructionSet::scalar).sums;
  EXPECT_EQ(sums.elements, 8u);
  EXPECT_EQ(sums.changed, 5u);
  EXPECT_EQ(sums.lost, 2u);
  EXPECT_EQ(sums.nonfinite_inputs, 3u);
  EXPECT_EQ(sums.nonfinite_created, 1u);
  EXPECT_EQ(sums.theta_squared, 1 + 2 * 1.0078125 * 1.0078125);
  EXPECT_EQ(sums.sft_squared, 3.0);
  EXPECT_EQ(sums.theta_dot_sft, 1 + 2 * 1.0078125);
  EXPECT_EQ(sums.delta_squared, 2 * 0.0078125 * 0.0078125);
  EXPECT_EQ(sums.applied_dot_delta, 0.0);
  input.alpha = 1;
  EXPECT_EQ(run(pair, input, InstructionSet::scalar).sums.lost, 0u);
  EXPECT_EQ(run(pair, input, InstructionSet::scalar).sums.applied_dot_delta,
            2 * 0.0078125 * 0.0078125);
}

TEST(Kernel, OverflowOfFloat16IsInfinityAndCounted) {
  Pair pair{Bytes(2 * 40), Bytes(2 * 40)};
  for (std::size_t i = 0; i < 40; ++i) {
    put(pair.aligned, i, DType::f16, double_to_f16(65504));
    put(pair.sft, i, DType::f16, double_to_f16(65504 - 32.0 * static_cast<double>(i)));
  }
  KernelInput input;
  input.sft_type = input.aligned_type = input.out_type = DType::f16;
  input.alpha = 0.25;
  for (int path = 0; path <= static_cast<int>(best_instruction_set()); ++path) {
    const Outcome outcome = run(pair, input, static_cast<InstructionSet>(path));
    // 65504 + 8i: below 65520 for i = 0 and 1.
    EXPECT_EQ(code_at(outcome.out, 1, DType::f16), 0x7bffu);
    EXPECT_EQ(code_at(outcome.out, 2, DType::f16), 0x7c00u);
    EXPECT_EQ(outcome.sums.nonfinite_created, 38u);
    EXPECT_EQ(outcome.sums.nonfinite_inputs, 0u);
  }
}

TEST(Kernel, WeightsThatAreNotFiniteLeaveAligneds) {
  Pair pair{Bytes(2 * 32), Bytes(2 * 32)};
  put(pair.aligned, 0, DType::bf16, 0x7f81);  // signalling
  put(pair.aligned, 1, DType::bf16, 0xffff);
  put(pair.sft, 2, DType::bf16, 0xffc1);  // only θ_sft is NaN
  put(pair.aligned, 2, DType::bf16, 0x3f81);
  put(pair.sft, 3, DType::bf16, 0x7f80);
  put(pair.aligned, 3, DType::bf16, 0xbf82);
  KernelInput input;
  input.alpha = 0.3;
  for (int path = 0; path <= static_cast<int>(best_instruction_set()); ++path) {
    const Outcome outcome = run(pair, input, static_cast<InstructionSet>(path));
    EXPECT_EQ(code_at(outcome.out, 0, DType::bf16), 0x7f81u);
    EXPECT_EQ(code_at(outcome.out, 1, DType::bf16), 0xffffu);
    EXPECT_EQ(code_at(outcome.out, 2, DType::bf16), 0x3f81u);
    EXPECT_EQ(code_at(outcome.out, 3, DType::bf16), 0xbf82u);
    EXPECT_EQ(outcome.sums.nonfinite_inputs, 4u);
  }
}

TEST(Kernel, SumsAddUp) {
  std::mt19937_64 random(8);
  const Pair pair = make_pair(DType::bf16, DType::bf16, 64, Contents::weights, random);
  KernelInput input;
  input.alpha = 0.3;
  const DeltaSums whole = run(pair, input, best_instruction_set()).sums;
  DeltaSums total;
  total += whole;
  total += whole;
  EXPECT_EQ(total.elements, 128u);
  EXPECT_EQ(total.changed, 2 * whole.changed);
  EXPECT_EQ(total.lost, 2 * whole.lost);
  EXPECT_EQ(total.theta_squared, 2 * whole.theta_squared);
  EXPECT_EQ(total.sft_squared, 2 * whole.sft_squared);
  EXPECT_EQ(total.theta_dot_sft, 2 * whole.theta_dot_sft);
  EXPECT_EQ(total.delta_squared, 2 * whole.delta_squared);
  EXPECT_EQ(total.applied_dot_delta, 2 * whole.applied_dot_delta);
}

TEST(Kernel, ConvertsEveryCode) {
  for (const DType from : {DType::bf16, DType::f16}) {
    Bytes in(2 * 65536);
    for (std::size_t i = 0; i < 65536; ++i) put(in, i, from, i);
    for (const DType to : kTypes) {
      Bytes out(65536 * byte_width(to));
      convert_values(in.data(), from, out.data(), to, 65536);
      for (std::size_t i = 0; i < 65536; ++i) {
        const std::uint64_t expected = from == to ? i : code_of(value_of(i, from), to);
        ASSERT_EQ(code_at(out, i, to), expected) << i << ' ' << safetensors_name(to);
      }
    }
  }
}

TEST(Kernel, RefusesWhatMakesNoSense) {
  const auto category = [](const KernelInput& input) {
    try {
      extrapolate(input);
    } catch (const Error& error) {
      return error.category() == ErrorCategory::usage ? std::string(error.what()) : "other";
    }
    return std::string("none");
  };
  KernelInput input;
  EXPECT_EQ(category(input), "none");
  input.sft_type = DType::f8_e4m3;
  EXPECT_NE(category(input).find("F8_E4M3"), std::string::npos);
  input = {};
  input.aligned_type = DType::i32;
  EXPECT_NE(category(input).find("I32"), std::string::npos);
  input = {};
  input.out_type = DType::f16;
  input.rounding = Rounding::like_original;
  EXPECT_NE(category(input).find("F16"), std::string::npos);
  EXPECT_THROW(convert_values(nullptr, DType::i8, nullptr, DType::bf16, 0), Error);
  EXPECT_THROW(convert_values(nullptr, DType::bf16, nullptr, DType::u64, 0), Error);
}

TEST(TensorStream, IsXxh3) {
  EXPECT_EQ(tensor_stream(""), 0x2d06800538d394c2u);  // published: XXH3-64 of nothing
  EXPECT_NE(tensor_stream("model.norm.weight"), tensor_stream("model.norm.bias"));
}

}  // namespace
}  // namespace expo
