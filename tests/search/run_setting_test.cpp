#include "expo/search/run/scoring_setting.h"

#include <gtest/gtest.h>

#include <random>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
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

TEST_F(ScoringSettingTest, TellsWhatTheUsersOwnRoundingMakesOfAnAlpha) {
  const auto sft = model("/sft", 0);
  const auto aligned = model("/aligned", kBent);
  const SettingRequest request{
      .dtype = "bf16", .rounding = RoundingChoice::nearest, .memory = kEnough};
  const ScoringSetting setting = choose_setting(
      *sft, std::vector<NamedCheckpoint>{{"", aligned.get()}}, kAlphas, request, cancellation_);
  const auto bent = bent_alpha(*sft, *aligned, 0.2, setting, request, cancellation_);
  ASSERT_TRUE(bent);
  EXPECT_EQ(bent->asked, 0.2);
  EXPECT_GT(std::abs(bent->effective - 0.2), 0.02);
  const auto warnings = bend_warnings(std::vector{*bent}, setting);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("α = 0.2 has the effect of "), std::string::npos) << warnings[0];
  EXPECT_TRUE(bend_warnings({}, setting).empty());
  const ScoringSetting exact{DType::f32, RoundingChoice::nearest};
  EXPECT_FALSE(bent_alpha(*sft, *aligned, 0.2, exact, request, cancellation_));
  const ScoringSetting unbiased{DType::bf16, RoundingChoice::stochastic};
  EXPECT_FALSE(bent_alpha(*sft, *aligned, 0.2, unbiased, request, cancellation_));
}

}  // namespace
}  // namespace expo
