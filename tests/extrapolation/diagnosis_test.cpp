#include "expo/extrapolation/diagnosis/diagnosis.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "expo/core/error.h"
#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"
#include "support/memory_checkpoint.h"

namespace expo {
namespace {

using MemoryCheckpoint = MemoryCheckpointOf<float>;

std::vector<float> noise(std::size_t count, unsigned seed, float scale) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

std::vector<float> plus(std::vector<float> values, const std::vector<float>& other) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += other[i];
  return values;
}

/// Two models of two layers; the change of the second layer is ten times that of the first.
struct Pair {
  MemoryCheckpoint sft;
  MemoryCheckpoint aligned;
};
constexpr std::size_t kRows = 1500;
constexpr std::size_t kColumns = 2000;

Pair make_pair() {
  std::vector<MemoryCheckpoint::Entry> sft;
  std::vector<MemoryCheckpoint::Entry> aligned;
  unsigned seed = 1;
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape, float step) {
    const std::size_t count = *element_count(shape);
    sft.push_back({name, shape, noise(count, ++seed, 0.02f)});
    aligned.push_back({name, shape, plus(sft.back().values, noise(count, ++seed, step))});
  };
  add("model.layers.1.self_attn.q_proj.weight", {kRows, kColumns}, 1e-4f);
  add("model.layers.0.self_attn.q_proj.weight", {kRows, kColumns}, 1e-5f);
  add("model.layers.0.mlp.up_proj.weight", {300, kColumns}, 0);
  add("model.norm.weight", {kColumns}, 1e-5f);
  return {MemoryCheckpoint(std::move(sft)), MemoryCheckpoint(std::move(aligned))};
}

Diagnosis diagnose_with(const Pair& pair, DiagnosisOptions options) {
  return diagnose(pair.sft, pair.aligned, options, CancellationToken());
}

bool same(const DeltaSums& a, const DeltaSums& b) {
  return a.elements == b.elements && a.changed == b.changed && a.lost == b.lost &&
         a.theta_squared == b.theta_squared && a.sft_squared == b.sft_squared &&
         a.theta_dot_sft == b.theta_dot_sft && a.delta_squared == b.delta_squared &&
         a.applied_dot_delta == b.applied_dot_delta;
}

TEST(Diagnosis, DoesNotDependOnTheNumberOfThreads) {
  const Pair pair = make_pair();
  DiagnosisOptions options;
  options.out_type = DType::bf16;
  options.threads = 1;
  const Diagnosis one = diagnose_with(pair, options);
  options.threads = 7;
  const Diagnosis seven = diagnose_with(pair, options);
  ASSERT_EQ(one.tensors.size(), seven.tensors.size());
  for (std::size_t i = 0; i < one.tensors.size(); ++i) {
    for (std::size_t a = 0; a < kDiagnosisAlphas.size(); ++a)
      EXPECT_TRUE(same(one.tensors[i].delta.at[a], seven.tensors[i].delta.at[a]));
  }
  EXPECT_TRUE(same(one.total.sums(), seven.total.sums()));
}

TEST(Diagnosis, AgreesWithPlainSums) {
  const Pair pair = make_pair();
  DiagnosisOptions options;
  const Diagnosis diagnosis = diagnose_with(pair, options);
  ReadScratch scratch;
  for (std::size_t t = 0; t < diagnosis.tensors.size(); ++t) {
    const TensorDiagnosis& tensor = diagnosis.tensors[t];
    std::vector<float> a(tensor.elements);
    std::vector<float> b(tensor.elements);
    std::memcpy(a.data(), pair.sft.read(t, 0, a.size(), scratch).data(), a.size() * sizeof(float));
    std::memcpy(b.data(), pair.aligned.read(t, 0, b.size(), scratch).data(),
                b.size() * sizeof(float));
    long double sft = 0;
    long double theta = 0;
    long double delta = 0;
    std::uint64_t changed = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const long double x = a[i];
      const long double y = b[i];
      sft += x * x;
      theta += y * y;
      delta += (y - x) * (y - x);
      changed += a[i] != b[i];
    }
    const DeltaSums& sums = tensor.delta.sums();
    EXPECT_EQ(sums.elements, a.size());
    EXPECT_EQ(sums.changed, changed);
    EXPECT_NEAR(sums.sft_squared, static_cast<double>(sft), 1e-11 * static_cast<double>(sft));
    EXPECT_NEAR(sums.theta_squared, static_cast<double>(theta), 1e-11 * static_cast<double>(theta));
    EXPECT_NEAR(sums.delta_squared, static_cast<double>(delta), 1e-11 * static_cast<double>(delta));
  }
}

TEST(Diagnosis, GroupsByLayerAndKind) {
  const Diagnosis diagnosis = diagnose_with(make_pair(), {});
  ASSERT_EQ(diagnosis.by_layer.size(), 3u);
  EXPECT_EQ(diagnosis.by_layer[0].label, "layer 0");
  EXPECT_EQ(diagnosis.by_layer[0].tensors, 2u);
  EXPECT_EQ(diagnosis.by_layer[1].label, "layer 1");
  EXPECT_EQ(diagnosis.by_layer[2].label, "norm");
  ASSERT_EQ(diagnosis.by_kind.size(), 3u);
  EXPECT_EQ(diagnosis.by_kind[0].label, "attention.q");
  EXPECT_EQ(diagnosis.by_kind[0].delta.sums().elements, 2 * kRows * kColumns);
  EXPECT_EQ(diagnosis.by_kind[1].label, "mlp.up");
  EXPECT_EQ(diagnosis.by_kind[1].delta_share, 0);
  double share = 0;
  for (const GroupDiagnosis& group : diagnosis.by_layer) share += group.delta_share;
  EXPECT_NEAR(share, 1, 1e-12);
}

TEST(Diagnosis, FindsWhereTheChangeIs) {
  const Diagnosis diagnosis = diagnose_with(make_pair(), {});
  const Concentration& where = diagnosis.concentration;
  ASSERT_EQ(where.order.size(), 3u);  // the tensor that did not change is left out
  EXPECT_EQ(diagnosis.tensors[where.order[0]].name, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(where.half, 1u);
  EXPECT_EQ(where.nine_tenths, 1u);  // 100 : 1 by ‖Δ‖²
}

TEST(Diagnosis, TellsWhatRoundingLoses) {
  DiagnosisOptions options;
  const Diagnosis exact = diagnose_with(make_pair(), options);
  options.out_type = DType::bf16;
  const Diagnosis rounded = diagnose_with(make_pair(), options);
  EXPECT_NEAR(effective_alpha(exact.total.at[2]), 0.3, 1e-3);
  EXPECT_EQ(effective_alpha(exact.total.at[0]), 0);
  EXPECT_GT(lost_share(rounded.total.at[1]), 0.5);
  EXPECT_GT(lost_share(rounded.total.at[1]), lost_share(rounded.total.at[3]));
}

TEST(Diagnosis, SampleEstimatesTheWhole) {
  const Pair pair = make_pair();
  DiagnosisOptions options;
  const Diagnosis whole = diagnose_with(pair, options);
  options.sample = true;
  const Diagnosis sample = diagnose_with(pair, options);
  EXPECT_LT(sample.sampled_share, 0.15);
  EXPECT_GT(sample.sampled_share, 0.05);
  EXPECT_EQ(sample.total.sums().elements, whole.total.sums().elements);
  EXPECT_NEAR(relative_norm(sample.total.sums()) / relative_norm(whole.total.sums()), 1, 0.02);
  EXPECT_TRUE(same(sample.tensors[3].delta.sums(), whole.tensors[3].delta.sums()));
}

TEST(Diagnosis, FindsDamageInEitherModel) {
  std::vector<float> sound(kRows * kColumns, 1.0f);
  std::vector<float> broken = sound;
  broken.back() = std::numeric_limits<float>::quiet_NaN();
  broken[5] = std::numeric_limits<float>::infinity();
  const MemoryCheckpoint a({{"w", {kRows, kColumns}, sound}});
  const MemoryCheckpoint b({{"w", {kRows, kColumns}, broken}});
  const Diagnosis diagnosis = diagnose(a, b, {}, CancellationToken());
  ASSERT_EQ(diagnosis.tensors.size(), 1u);
  EXPECT_EQ(diagnosis.tensors[0].aligned_health.nan, 1u);
  EXPECT_EQ(diagnosis.tensors[0].aligned_health.infinite, 1u);
  EXPECT_EQ(diagnosis.tensors[0].aligned_health.constant_rows, kRows - 2);
  EXPECT_EQ(diagnosis.tensors[0].sft_health.constant_rows, kRows);
  EXPECT_EQ(diagnosis.total.sums().nonfinite_inputs, 2u);
  EXPECT_EQ(diagnosis.total.sums().delta_squared, 0);
}

TEST(Diagnosis, ComparesTheRowsInCommonAndListsTheRest) {
  const MemoryCheckpoint a({{"embed_tokens.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                            {"only_a", {1}, {1}},
                            {"w", {2, 2}, {1, 2, 3, 4}}});
  const MemoryCheckpoint b({{"embed_tokens.weight", {3, 3}, {1, 2, 3, 4, 5, 8, 0, 0, 0}},
                            {"only_b", {1}, {1}},
                            {"w", {4}, {1, 2, 3, 4}}});
  const Diagnosis diagnosis = diagnose(a, b, {}, CancellationToken());
  ASSERT_EQ(diagnosis.tensors.size(), 1u);
  EXPECT_EQ(diagnosis.tensors[0].compared, 6u);
  EXPECT_EQ(diagnosis.tensors[0].elements, 9u);
  EXPECT_EQ(diagnosis.tensors[0].delta.sums().changed, 1u);
  EXPECT_EQ(diagnosis.tensors[0].delta.sums().delta_squared, 4);
  EXPECT_EQ(diagnosis.mismatches.size(), 4u);
}

class CountingProgress final : public Progress {
 public:
  void begin(std::string_view, std::uint64_t total_bytes) override { total = total_bytes; }
  void advance(std::uint64_t bytes) override { done += bytes; }
  void end() override { ++ends; }
  std::uint64_t total = 0;
  std::atomic<std::uint64_t> done{0};
  int ends = 0;
};

TEST(Diagnosis, ReportsProgressToTheEnd) {
  for (const bool sample : {false, true}) {
    CountingProgress progress;
    DiagnosisOptions options;
    options.sample = sample;
    options.progress = &progress;
    diagnose_with(make_pair(), options);
    EXPECT_GT(progress.total, 0u);
    EXPECT_EQ(progress.done, progress.total);
    EXPECT_EQ(progress.ends, 1);
  }
}

TEST(Diagnosis, StopsWhenCancelled) {
  const Pair pair = make_pair();
  CancellationToken cancellation;
  cancellation.cancel();
  try {
    diagnose(pair.sft, pair.aligned, {}, cancellation);
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::interrupted);
  }
}

TEST(DeltaMeasures, OfNothingAreHarmless) {
  const DeltaSums none;
  EXPECT_EQ(relative_norm(none), 0);
  EXPECT_EQ(cosine(none), 1);
  EXPECT_EQ(cosine_distance(none), 0);
  EXPECT_EQ(changed_share(none), 0);
  EXPECT_EQ(lost_share(none), 0);
  EXPECT_EQ(effective_alpha(none), 0);
  EXPECT_EQ(norm_growth(none), 0);
}

TEST(DeltaMeasures, OfAChangeByHand) {
  DeltaSums sums;  // θ_sft = (3, 0), θ = (3, 4)
  sums.elements = 2;
  sums.changed = 1;
  sums.lost = 1;
  sums.theta_squared = 25;
  sums.sft_squared = 9;
  sums.theta_dot_sft = 9;
  sums.delta_squared = 16;
  sums.applied_dot_delta = 4;
  EXPECT_DOUBLE_EQ(relative_norm(sums), 4.0 / 3);
  EXPECT_DOUBLE_EQ(cosine(sums), 0.6);
  EXPECT_DOUBLE_EQ(cosine_distance(sums), 0.4);
  EXPECT_DOUBLE_EQ(changed_share(sums), 0.5);
  EXPECT_DOUBLE_EQ(lost_share(sums), 1);
  EXPECT_DOUBLE_EQ(effective_alpha(sums), 0.25);
  EXPECT_DOUBLE_EQ(norm_growth(sums), 1);  // Δ stands at right angles to θ_sft
}

TEST(DeltaMeasures, SeeATinyAngle) {
  // θ_sft = (1, 0), θ = (1, 1e-9): the angle is 1e-9, and 1 − cosine half its square.
  DeltaSums sums;
  sums.elements = 2;
  sums.changed = 1;
  sums.sft_squared = 1;
  sums.theta_squared = 1 + 1e-18;
  sums.theta_dot_sft = 1;
  sums.delta_squared = 1e-18;
  EXPECT_NEAR(cosine_distance(sums), 5e-19, 1e-24);
}

/// θ_sft in numbers of bfloat16, to which rounding to nearest takes so small a step back.
Pair make_undone_pair() {
  std::vector<float> sft = noise(kRows * kColumns, 1, 0.02f);
  for (float& value : sft)
    value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0xffff0000U);
  const std::vector<float> aligned = plus(sft, noise(sft.size(), 2, 1e-6f));
  const std::vector<std::uint64_t> shape{kRows, kColumns};
  return {MemoryCheckpoint({{"w", shape, sft}}), MemoryCheckpoint({{"w", shape, aligned}})};
}

RoundingDecision decide(const Pair& pair, DType type, RoundingRequest request) {
  const Plan plan =
      make_plan(pair.sft, pair.aligned, {AlphaSchedule(0.3), type}, CancellationToken());
  return decide_rounding(&pair.sft, pair.aligned, plan, request, CancellationToken());
}

TEST(RoundingDecision, EstimatesTheSameOnAnyNumberOfThreads) {
  const Pair pair = make_undone_pair();
  const RoundingDecision one = decide(pair, DType::bf16, {.threads = 1});
  const RoundingDecision seven = decide(pair, DType::bf16, {.threads = 7});
  ASSERT_TRUE(one.nearest_alpha && seven.nearest_alpha);
  EXPECT_EQ(*one.nearest_alpha, *seven.nearest_alpha);
  EXPECT_TRUE(one.sampled);
  EXPECT_NEAR(one.asked_alpha.value(), 0.3, 1e-12);
  // The whole, by the pass that reads every value.
  DiagnosisOptions options;
  options.out_type = DType::bf16;
  const DeltaProfile whole = diagnose_with(pair, options).total;
  EXPECT_NEAR(*one.nearest_alpha, effective_alpha(whole.at[2]), 0.05);
  EXPECT_EQ(kDiagnosisAlphas[2], 0.3);
}

TEST(RoundingDecision, IsStochasticOnlyWhereItMayAndMust) {
  const Pair pair = make_undone_pair();
  EXPECT_EQ(decide(pair, DType::bf16, {}).used, Rounding::stochastic);
  EXPECT_EQ(decide(pair, DType::f32, {}).used, Rounding::nearest);
  EXPECT_EQ(decide(pair, DType::bf16, {.allows_stochastic = false}).used, Rounding::nearest);
  EXPECT_EQ(decide(pair, DType::bf16, {.choice = RoundingChoice::nearest}).used, Rounding::nearest);
  EXPECT_EQ(decide(pair, DType::f32, {.choice = RoundingChoice::stochastic}).used,
            Rounding::stochastic);
  EXPECT_EQ(decide(pair, DType::bf16, {.choice = RoundingChoice::like_original}).used,
            Rounding::like_original);
}

TEST(RoundingDecision, HasABoundAtAlphaZeroToo) {
  EXPECT_TRUE(keeps_alpha(0, 0.02));
  EXPECT_TRUE(keeps_alpha(0, -0.02));
  EXPECT_FALSE(keeps_alpha(0, 0.021));
  EXPECT_FALSE(keeps_alpha(0, -0.96));
  EXPECT_TRUE(keeps_alpha(0.3, 0.281));
  EXPECT_FALSE(keeps_alpha(0.3, 0.279));
  EXPECT_TRUE(keeps_alpha(8, 7.61));
  EXPECT_FALSE(keeps_alpha(8, 7.59));
  EXPECT_TRUE(keeps_alpha(-2, -2.09));
  EXPECT_FALSE(keeps_alpha(-2, std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace
}  // namespace expo
