// Measures the time per element of the kernel's main cases on every instruction set of this
// machine, on blocks that stay in the second-level cache (as the pipeline's do).

#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace {

using expo::DType;
using expo::InstructionSet;
using expo::Rounding;

constexpr std::size_t kElements = std::size_t{64} << 10;

struct Case {
  DType sft, aligned, out;
  Rounding rounding;
  double alpha;
  const char* name;
};

const Case kCases[] = {
    {DType::bf16, DType::bf16, DType::bf16, Rounding::nearest, 0.3, "bf16_bf16/nearest"},
    {DType::bf16, DType::bf16, DType::bf16, Rounding::nearest, 0.5, "bf16_bf16/nearest_ties"},
    {DType::bf16, DType::bf16, DType::bf16, Rounding::stochastic, 0.3, "bf16_bf16/stochastic"},
    {DType::bf16, DType::bf16, DType::bf16, Rounding::like_original, 0.3,
     "bf16_bf16/like_original"},
    {DType::bf16, DType::bf16, DType::f32, Rounding::nearest, 0.3, "bf16_f32/nearest"},
    {DType::f16, DType::f16, DType::f16, Rounding::nearest, 0.3, "f16_f16/nearest"},
    {DType::f16, DType::f16, DType::f16, Rounding::stochastic, 0.3, "f16_f16/stochastic"},
    {DType::f32, DType::f32, DType::f32, Rounding::nearest, 0.3, "f32_f32/nearest"},
    {DType::f32, DType::f32, DType::bf16, Rounding::nearest, 0.3, "f32_bf16/nearest"},
    {DType::f32, DType::f32, DType::bf16, Rounding::stochastic, 0.3, "f32_bf16/stochastic"},
    {DType::f32, DType::bf16, DType::bf16, Rounding::nearest, 0.3, "f32+bf16_bf16/nearest"},
    {DType::bf16, DType::f64, DType::bf16, Rounding::nearest, 0.3, "bf16+f64_bf16/nearest"},
};

/// Values of `type` that resemble a model's weights, or with `moved` the same after a short
/// training.
std::vector<std::byte> weights(DType type, bool moved) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(kElements);
  for (double& value : values) {
    value = 0.02 * normal(random);
    const double step = 2e-5 * normal(random);
    if (moved) value += step;
  }
  std::vector<std::byte> bytes(kElements * expo::byte_width(type));
  expo::convert_values(reinterpret_cast<const std::byte*>(values.data()), DType::f64, bytes.data(),
                       type, kElements);
  return bytes;
}

void extrapolate(benchmark::State& state, const Case& parameters, InstructionSet path) {
  const std::vector<std::byte> sft = weights(parameters.sft, false);
  const std::vector<std::byte> aligned = weights(parameters.aligned, true);
  std::vector<std::byte> out(kElements * expo::byte_width(parameters.out));
  expo::KernelInput input;
  input.sft = sft.data();
  input.aligned = aligned.data();
  input.out = out.data();
  input.count = kElements;
  input.sft_type = parameters.sft;
  input.aligned_type = parameters.aligned;
  input.out_type = parameters.out;
  input.alpha = parameters.alpha;
  input.rounding = parameters.rounding;
  for (auto _ : state) benchmark::DoNotOptimize(expo::extrapolate(input, path));
  state.counters["per_element"] = benchmark::Counter(
      kElements, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kElements));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string paths[] = {"scalar", "avx2", "avx512"};
  for (const Case& parameters : kCases) {
    for (int path = static_cast<int>(expo::best_instruction_set()); path >= 0; --path) {
      const std::string name = std::string(parameters.name) + '/' + paths[path];
      benchmark::RegisterBenchmark(name.c_str(), extrapolate, parameters,
                                   static_cast<InstructionSet>(path));
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
