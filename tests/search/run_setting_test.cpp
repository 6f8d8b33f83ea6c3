#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <random>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/run/rounding_effects.h"
#include "tests/support/folder_files.h"
#include "tests/support/tensor_file.h"

namespace expo {
namespace {

constexpr std::size_t kValues = 4096;
const std::vector<double> kAlphas{-1, 0, 0.2, 2};

/// A pair of bfloat16 models whose values differ by about `step` of their size.
class ScoringSettingTest : public testing::Test {
 protected:
  std::shared_ptr<const Checkpoint> model(const std::string& name, double step) {
    std::mt19937 engine(7);
    std::normal_distribution<double> normal;
    std::vector<double> values(kValues);
    for (double& value : values) value = 0.02 * normal(engine);
    for (double& value : values) value *= 1 + step * normal(engine);
    write_files(
        disk_, name,
        {{"config.json", R"({"model_type": "llama"})"},
         {"model.safetensors",
          tensor_file({{"model.layers.0.mlp.up_proj.weight", {64, 64}, values, DType::bf16}})}});
    return open_checkpoint(disk_, name, {}, Environment{});
  }

  ScoringSetting choose(double step, const SettingRequest& request) {
    const auto sft = model("/sft", 0);
    const auto aligned = model("/aligned", step);
    return choose_setting(*sft, std::vector<NamedCheckpoint>{{"", aligned.get()}}, kAlphas, request,
                          cancellation_);
  }

  MemoryFilesystem disk_;
  CancellationToken cancellation_;
};

constexpr double kBent = 0.003;  // about a step of bfloat16
constexpr double kKept = 0.5;
constexpr std::uint64_t kEnough = 2 * kValues * sizeof(float);

TEST_F(ScoringSettingTest, IsTheRunningTypeRoundedToNearestWhereThatKeepsEachAlpha) {
  const ScoringSetting setting = choose(kKept, {.memory = kEnough});
  EXPECT_EQ(setting.dtype, DType::bf16);
  EXPECT_EQ(setting.rounding, RoundingChoice::nearest);
}

TEST_F(ScoringSettingTest, IsFloat32WhereRoundingBendsAnAlphaAndMemoryAllows) {
  const ScoringSetting setting = choose(kBent, {.memory = kEnough});
  EXPECT_EQ(setting.dtype, DType::f32);
  EXPECT_EQ(setting.rounding, RoundingChoice::nearest);
  EXPECT_NE(setting.reason.find("rounded to nearest in bfloat16"), std::string::npos)
      << setting.reason;
}

TEST_F(ScoringSettingTest, IsStochasticWhereMemoryDoesNotAllowFloat32) {
  const ScoringSetting setting = choose(kBent, {.seed = 5, .memory = kEnough - 2});
  EXPECT_EQ(setting.dtype, DType::bf16);
  EXPECT_EQ(setting.rounding, RoundingChoice::stochastic);
  EXPECT_EQ(setting.seed, 5U);
}

TEST_F(ScoringSettingTest, CountsAllModelsThatAreInMemory) {
  const auto other = model("/other", 0);
  // Twice the memory that the pair needs in float32 is filled by a baseline of the same size …
  EXPECT_EQ(choose(kBent, {.memory = 2 * kEnough, .baseline = other.get()}).dtype, DType::f32);
  EXPECT_EQ(choose(kBent, {.memory = 2 * kEnough - 2, .baseline = other.get()}).dtype, DType::bf16);
  // … and a reward model in bfloat16 takes half of that.
  EXPECT_EQ(choose(kBent, {.memory = kEnough * 3 / 2, .rewards = {other.get()}}).dtype, DType::f32);
  EXPECT_EQ(choose(kBent, {.memory = kEnough * 3 / 2 - 2, .rewards = {other.get()}}).dtype,
            DType::bf16);
  // One that judges beside it counts as well.
  const std::vector<const Checkpoint*> both{other.get(), other.get()};
  EXPECT_EQ(choose(kBent, {.memory = 2 * kEnough, .rewards = both}).dtype, DType::f32);
  EXPECT_EQ(choose(kBent, {.memory = 2 * kEnough - 2, .rewards = both}).dtype, DType::bf16);
}

TEST_F(ScoringSettingTest, IsOneForAllPairsAndNamesThatWhichDecides) {
  const auto sft = model("/sft", 0);
  const auto kept = model("/kept", kKept);
  const auto bent = model("/bent", kBent);
  const std::vector<NamedCheckpoint> both{{"kept", kept.get()}, {"bent", bent.get()}};
  const ScoringSetting setting =
      choose_setting(*sft, both, kAlphas, {.memory = 2 * kEnough}, cancellation_);
  EXPECT_EQ(setting.dtype, DType::f32);
  EXPECT_NE(setting.reason.find(" of bent "), std::string::npos) << setting.reason;
  // The weights of both must fit.
  EXPECT_EQ(choose_setting(*sft, both, kAlphas, {.memory = kEnough}, cancellation_).rounding,
            RoundingChoice::stochastic);
}

TEST_F(ScoringSettingTest, CountsTheLargestModelWhereTheyTakeTurns) {
  const auto other = model("/other", 0);
  EXPECT_EQ(
      choose(kBent, {.memory = kEnough, .baseline = other.get(), .one_at_a_time = true}).dtype,
      DType::f32);
  const ScoringSetting setting{DType::bf16, RoundingChoice::nearest};
  const std::vector<NamedCheckpoint> alone{{"", other.get()}};
  // Two models of 8,192 bytes each need four fifths of the memory at most to stay there together.
  EXPECT_FALSE(need_turns(alone, setting, {.memory = 20'480, .baseline = other.get()}));
  EXPECT_TRUE(need_turns(alone, setting, {.memory = 20'470, .baseline = other.get()}));
  const std::vector<const Checkpoint*> judges{other.get(), other.get()};
  EXPECT_FALSE(need_turns(alone, setting, {.memory = 30'720, .rewards = judges}));
  EXPECT_TRUE(need_turns(alone, setting, {.memory = 30'710, .rewards = judges}));
  EXPECT_FALSE(need_turns(alone, setting, {.memory = 100}));  // turns of one are of no use
}

TEST_F(ScoringSettingTest, ObeysTheUser) {
  const ScoringSetting dtype = choose(kBent, {.dtype = "bf16", .memory = kEnough});
  EXPECT_EQ(dtype.dtype, DType::bf16);
  EXPECT_EQ(dtype.rounding, RoundingChoice::stochastic);
  const ScoringSetting both =
      choose(kBent, {.dtype = "bf16", .rounding = RoundingChoice::nearest, .memory = kEnough});
  EXPECT_EQ(both.rounding, RoundingChoice::nearest);
  EXPECT_EQ(to_json(both)["dtype"], "bfloat16");
}

/// The float that bfloat16 makes of a value, rounded to nearest even.
float in_bfloat16(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return std::bit_cast<float>((bits + 0x7fffU + ((bits >> 16) & 1)) & 0xffff0000U);
}

/// What a plain loop over bfloat16 models makes of an α.
RoundingEffect expected_effect(const Checkpoint& sft, const Checkpoint& aligned, double alpha) {
  ReadScratch sft_scratch;
  ReadScratch aligned_scratch;
  const auto value = [](std::span<const std::byte> bytes, std::size_t i) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + 2 * i, 2);
    return std::bit_cast<float>(std::uint32_t{half} << 16);
  };
  const auto before = sft.read(0, 0, kValues, sft_scratch);
  const auto after = aligned.read(0, 0, kValues, aligned_scratch);
  double applied = 0;
  double squares = 0;
  double changed = 0;
  double lost = 0;
  for (std::size_t i = 0; i < kValues; ++i) {
    const double theta = value(after, i);
    const double delta = theta - value(before, i);
    const float result = in_bfloat16(theta + alpha * delta);
    applied += (result - theta) * delta;
    squares += delta * delta;
    changed += delta != 0;
    lost += delta != 0 && result == static_cast<float>(theta);
  }
  return {applied / squares, lost / changed};
}

TEST_F(ScoringSettingTest, TellsWhatTheUsersOwnRoundingMakesOfAnAlpha) {
  const std::shared_ptr<const Checkpoint> sft = model("/sft", 0);
  const std::shared_ptr<const Checkpoint> aligned = model("/aligned", kBent);
  const SettingRequest request{
      .dtype = "bf16", .rounding = RoundingChoice::nearest, .memory = kEnough};
  const ScoringSetting setting = choose_setting(
      *sft, std::vector<NamedCheckpoint>{{"", aligned.get()}}, kAlphas, request, cancellation_);
  const auto in = [&](const ScoringSetting& each) {
    return RoundingEffects(sft, {aligned}, each, request, cancellation_);
  };
  const auto bent = in(setting).bent(0, 0.2);
  ASSERT_TRUE(bent);
  EXPECT_EQ(bent->asked, 0.2);
  EXPECT_GT(std::abs(bent->effective - 0.2), 0.02);
  const auto warnings = bend_warnings(std::vector{*bent}, setting);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("α = 0.2 has the effect of "), std::string::npos) << warnings[0];
  EXPECT_TRUE(bend_warnings({}, setting).empty());
  EXPECT_FALSE(in({DType::f32, RoundingChoice::nearest}).bent(0, 0.2));
  EXPECT_FALSE(in({DType::bf16, RoundingChoice::stochastic}).bent(0, 0.2));
}

TEST_F(ScoringSettingTest, MeasuresEffectAndLostUpdatesOfEachPairByItself) {
  const std::shared_ptr<const Checkpoint> sft = model("/sft", 0);
  const std::vector<std::shared_ptr<const Checkpoint>> aligned{
      model("/kept", kKept), model("/bent", kBent), model("/same", 0)};
  RoundingEffects effects(sft, aligned, {DType::bf16, RoundingChoice::nearest}, {}, cancellation_);
  effects.measure(1, kAlphas);
  for (const std::size_t pair : {0, 1}) {
    for (const double alpha : {0.2, 2.0, -1.0, 0.7}) {  // The last is in no list.
      const RoundingEffect expected = expected_effect(*sft, *aligned[pair], alpha);
      const RoundingEffect found = effects.of(pair, alpha);
      EXPECT_NEAR(found.effective_alpha.value(), *expected.effective_alpha, 1e-9) << alpha;
      EXPECT_NEAR(found.lost.value(), *expected.lost, 1e-9) << alpha;
    }
    EXPECT_FALSE(effects.of(pair, 0).lost);
    EXPECT_EQ(effects.of(pair, 0).effective_alpha.value(), 0);
  }
  EXPECT_GT(effects.of(1, 0.2).lost.value(), 0.1);
  EXPECT_FALSE(effects.of(2, 0.2).effective_alpha);
  EXPECT_FALSE(effects.of(2, 0.2).lost);
}

TEST_F(ScoringSettingTest, MeasuresWhatStochasticRoundingLosesWithItsSeed) {
  const std::shared_ptr<const Checkpoint> sft = model("/sft", 0);
  const std::shared_ptr<const Checkpoint> aligned = model("/aligned", kBent);
  const auto at = [&](std::uint64_t seed, unsigned threads) {
    RoundingEffects effects(sft, {aligned}, {DType::bf16, RoundingChoice::stochastic, seed},
                            {.threads = threads}, cancellation_);
    return effects.of(0, 0.2);
  };
  EXPECT_NEAR(at(1, 1).effective_alpha.value(), 0.2, 0.02);  // On average it is kept …
  EXPECT_GT(at(1, 1).lost.value(), 0.5);                     // … though most updates are lost.
  EXPECT_EQ(at(1, 1).lost, at(1, 3).lost);
  EXPECT_NE(at(1, 1).effective_alpha, at(2, 1).effective_alpha);
}

}  // namespace
}  // namespace expo
