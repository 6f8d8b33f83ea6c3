#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "extrapolation/kernel_cases.h"

namespace expo {
namespace {

using namespace kernel_cases;

constexpr Rounding kRoundings[] = {Rounding::nearest, Rounding::stochastic,
                                   Rounding::like_original};
constexpr double kAlphas[] = {0.0, -0.0, 0.1, 0.3, 0.5, 2.5, 8, 25, -0.5, -1, 1e-300, 1e300};

std::vector<InstructionSet> simd_paths() {
  std::vector<InstructionSet> paths;
  for (const auto path : {InstructionSet::avx2, InstructionSet::avx512}) {
    if (path <= best_instruction_set()) paths.push_back(path);
  }
  return paths;
}

std::string describe(const KernelInput& input) {
  return std::string(safetensors_name(input.sft_type)) + ", " +
         std::string(safetensors_name(input.aligned_type)) + " to " +
         std::string(safetensors_name(input.out_type)) + ", alpha " + std::to_string(input.alpha) +
         ", rounding " + std::to_string(static_cast<int>(input.rounding));
}

/// Every mix of types and rounding that there is.
template <class Body>
void for_each_case(const Body& body) {
  for (const DType sft : kTypes) {
    for (const DType aligned : kTypes) {
      for (const DType out : kTypes) {
        for (const Rounding rounding : kRoundings) {
          if (rounding == Rounding::like_original && out != DType::bf16) continue;
          KernelInput input;
          input.sft_type = sft;
          input.aligned_type = aligned;
          input.out_type = out;
          input.rounding = rounding;
          input.seed = 42;
          input.stream = 4711;
          body(input);
        }
      }
    }
  }
}

class KernelPaths : public testing::TestWithParam<InstructionSet> {};
INSTANTIATE_TEST_SUITE_P(Simd, KernelPaths, testing::ValuesIn(simd_paths()),
                         [](const auto& test) -> std::string {
                           return test.param == InstructionSet::avx2 ? "avx2" : "avx512";
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KernelPaths);

TEST_P(KernelPaths, GiveTheBytesAndSumsOfTheScalarPath) {
  const unsigned seed = 1;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for_each_case([&](KernelInput input) {
    for (const auto contents :
         {Contents::weights, Contents::tiny, Contents::arbitrary, Contents::special}) {
      const Pair pair = make_pair(input.sft_type, input.aligned_type, 1000, contents, random);
      for (const double alpha : kAlphas) {
        input.alpha = alpha;
        input.first_element = random() % 1000;
        const Outcome expected = run(pair, input, InstructionSet::scalar);
        const Outcome found = run(pair, input, GetParam());
        ASSERT_EQ(found.out, expected.out) << describe(input);
        ASSERT_TRUE(same(found.sums, expected.sums)) << describe(input);
        input.out = nullptr;
      }
    }
  });
}

TEST_P(KernelPaths, TakeEveryCountAndAlignment) {
  std::mt19937_64 random(2);
  for_each_case([&](KernelInput input) {
    input.alpha = 0.3;
    for (std::size_t count = 0; count <= 70; ++count) {
      const Pair pair =
          make_pair(input.sft_type, input.aligned_type, count, Contents::weights, random);
      const Outcome expected = run(pair, input, InstructionSet::scalar);
      const std::size_t shift = 1 + count % 7;
      Bytes sft(shift), aligned(shift + 2), out(shift + 4 + expected.out.size() + 1);
      sft.insert(sft.end(), pair.sft.begin(), pair.sft.end());
      aligned.insert(aligned.end(), pair.aligned.begin(), pair.aligned.end());
      input.sft = sft.data() + shift;
      input.aligned = aligned.data() + shift + 2;
      input.out = out.data() + shift + 4;
      input.count = count;
      ASSERT_TRUE(same(extrapolate(input, GetParam()), expected.sums)) << describe(input) << count;
      ASSERT_EQ(Bytes(input.out, input.out + expected.out.size()), expected.out)
          << describe(input) << ' ' << count;
      ASSERT_EQ(out.back(), std::byte{0});
    }
  });
}

TEST_P(KernelPaths, WriteOverEitherInput) {
  std::mt19937_64 random(3);
  for_each_case([&](KernelInput input) {
    input.alpha = 2.5;
    const Pair pair = make_pair(input.sft_type, input.aligned_type, 333, Contents::special, random);
    const Outcome expected = run(pair, input, InstructionSet::scalar);
    input.count = 333;
    for (const bool over_aligned : {true, false}) {
      if (byte_width(over_aligned ? input.aligned_type : input.sft_type) !=
          byte_width(input.out_type)) {
        continue;
      }
      Pair copy = pair;
      input.sft = copy.sft.data();
      input.aligned = copy.aligned.data();
      Bytes& target = over_aligned ? copy.aligned : copy.sft;
      input.out = target.data();
      ASSERT_TRUE(same(extrapolate(input, GetParam()), expected.sums)) << describe(input);
      ASSERT_EQ(target, expected.out) << describe(input);
    }
  });
}

TEST_P(KernelPaths, ConvertLikeTheScalarPath) {
  std::mt19937_64 random(4);
  std::vector<double> values;
  for (const DType from : kTypes) {
    for (const DType to : kTypes) {
      for (const auto contents : {Contents::weights, Contents::tiny, Contents::special}) {
        for (const std::size_t count : {0u, 1u, 15u, 16u, 1000u}) {
          const Bytes in = make_values(from, count, contents, random, {}, values);
          Bytes expected(count * byte_width(to)), found(count * byte_width(to));
          convert_values(in.data(), from, expected.data(), to, count, InstructionSet::scalar);
          convert_values(in.data(), from, found.data(), to, count, GetParam());
          ASSERT_EQ(found, expected) << safetensors_name(from) << " to " << safetensors_name(to);
        }
      }
    }
  }
}

}  // namespace
}  // namespace expo
