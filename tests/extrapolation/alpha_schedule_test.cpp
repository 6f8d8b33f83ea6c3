#include "expo/extrapolation/plan/alpha_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(LayerOf, IsTheFirstNumberBetweenDots) {
  EXPECT_EQ(layer_of("model.layers.12.mlp.up_proj.weight"), 12u);
  EXPECT_EQ(layer_of("transformer.h.0.attn.c_attn.weight"), 0u);
  EXPECT_EQ(layer_of("model.layers.3.mlp.experts.7.w1.weight"), 3u);
  EXPECT_EQ(layer_of("blk.31.attn_q.weight"), 31u);
  EXPECT_EQ(layer_of("a.0123.b"), 123u);
  EXPECT_EQ(layer_of("a.999999.b"), 999999u);
}

TEST(LayerOf, IsAbsentElsewhere) {
  for (const char* name : {"model.norm.weight", "lm_head.weight", "", ".", "..", "12", "12.weight",
                           "model.12", "model.layer12.weight", "model.1a.weight", "model.-1.weight",
                           "a.1000000.b", "a.18446744073709551616.b"}) {
    EXPECT_EQ(layer_of(name), std::nullopt) << name;
  }
}

TEST(AlphaSchedule, IsUniformWithoutRules) {
  const AlphaSchedule schedule(0.3);
  EXPECT_EQ(schedule.alpha_for("anything", 1), 0.3);
  EXPECT_EQ(schedule.uniform(), 0.3);
  EXPECT_EQ(schedule.description(), "0.3");
}

TEST(AlphaSchedule, SpreadsPointsOverTheLayers) {
  const auto schedule = AlphaSchedule::gradient({0, 1, 4});
  const double expected[] = {0, 0.5, 1, 2.5, 4};  // five layers, three points
  for (unsigned layer = 0; layer < 5; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".mlp.weight";
    EXPECT_DOUBLE_EQ(schedule.alpha_for(name, 5), expected[layer]);
  }
  EXPECT_EQ(schedule.uniform(), std::nullopt);
  EXPECT_EQ(schedule.description(), "[0, 1, 4] over the depth");
}

TEST(AlphaSchedule, KnowsWhatLiesBeforeAndBehindTheLayers) {
  const auto schedule = AlphaSchedule::gradient({0.25, 0.75});
  for (const char* name : {"model.embed_tokens.weight", "transformer.wte.weight",
                           "transformer.wpe.weight", "bert.embeddings.LayerNorm.weight"}) {
    EXPECT_EQ(schedule.alpha_for(name, 4), 0.25) << name;
  }
  for (const char* name : {"model.norm.weight", "lm_head.weight", "score.weight"}) {
    EXPECT_EQ(schedule.alpha_for(name, 4), 0.75) << name;
  }
}

TEST(AlphaSchedule, TakesTheLastPointInAModelOfOneLayer) {
  const auto schedule = AlphaSchedule::gradient({0.25, 0.5, 0.75});
  EXPECT_EQ(schedule.alpha_for("h.0.mlp", 1), 0.75);
  EXPECT_EQ(schedule.alpha_for("h.9.mlp", 4), 0.75) << "a layer beyond the count";
}

TEST(AlphaSchedule, LetsTheLastMatchWin) {
  AlphaSchedule schedule(0.3);
  schedule.add_rule("layers", 0.5);
  schedule.add_rule(R"(layers\.[01]\.)", 0.7);
  schedule.add_rule("^lm_head", {1, 2});
  EXPECT_EQ(schedule.alpha_for("model.norm.weight", 3), 0.3);
  EXPECT_EQ(schedule.alpha_for("model.layers.2.mlp.weight", 3), 0.5);
  EXPECT_EQ(schedule.alpha_for("model.layers.1.mlp.weight", 3), 0.7);
  EXPECT_EQ(schedule.alpha_for("model.layers.10.mlp.weight", 30), 0.5);
  EXPECT_EQ(schedule.alpha_for("lm_head.weight", 3), 2);
  EXPECT_EQ(schedule.alpha_for("my.lm_head.weight", 3), 0.3);
  EXPECT_EQ(schedule.uniform(), std::nullopt);
  EXPECT_EQ(
      schedule.description(),
      R"(0.3, then layers=0.5, then layers\.[01]\.=0.7, then ^lm_head=[1, 2] over the depth)");
}

TEST(AlphaSchedule, NamesRulesThatMatchNothing) {
  AlphaSchedule schedule(0.3);
  schedule.add_rule("mlp", 0.5);
  schedule.add_rule("expert", 0.6);
  schedule.add_rule("norm$", 0.7);
  EXPECT_EQ(schedule.unmatched_rules({"a.mlp.b", "model.norm.weight"}),
            (std::vector<std::string>{"expert", "norm$"}));
}

TEST(AlphaSchedule, RefusesWhatIsNotFinite) {
  EXPECT_THROW(AlphaSchedule{kNan}, Error);
  EXPECT_THROW(AlphaSchedule{kInfinity}, Error);
  EXPECT_THROW(AlphaSchedule::gradient({}), Error);
  EXPECT_THROW(AlphaSchedule::gradient({1, -kInfinity}), Error);
  AlphaSchedule schedule(0);
  EXPECT_THROW(schedule.add_rule("a", kNan), Error);
  EXPECT_THROW(schedule.add_rule("a", std::vector<double>{}), Error);
}

TEST(AlphaSchedule, RefusesBadExpressions) {
  AlphaSchedule schedule(0);
  for (const std::string& expression :
       {std::string("("), std::string("a{2,1}"), std::string("[z-a]"), std::string("*"),
        std::string(1001, 'a'), std::string("a{1,1234567}"),
        std::string("a{1,99999999999999999999}"), std::string("(b{999}){999}")}) {
    try {
      schedule.add_rule(expression, 1);
      FAIL() << expression << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      EXPECT_TRUE(contains(error.what(), expression.substr(0, 40)));
    }
  }
}

TEST(AlphaSchedule, MatchesLongNamesOrRefusesThem) {
  AlphaSchedule schedule(0);
  schedule.add_rule("(.|x)*z$", 1);
  EXPECT_EQ(schedule.alpha_for(std::string(1023, 'y') + "z", 1), 1);
  try {
    schedule.alpha_for(std::string(1'000'000, 'y'), 1);
    FAIL() << "a name of a million bytes was matched";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
  }
  EXPECT_EQ(AlphaSchedule(0.5).alpha_for(std::string(1'000'000, 'y'), 1), 0.5);
}

TEST(AlphaFromGamma, InvertsEquationOne) {
  EXPECT_DOUBLE_EQ(alpha_from_gamma(0.5), 1);
  EXPECT_DOUBLE_EQ(alpha_from_gamma(0.8), 0.25);
  EXPECT_DOUBLE_EQ(alpha_from_gamma(-1), -2);
  EXPECT_DOUBLE_EQ(alpha_from_gamma(1), 0);
  for (const double gamma : {0.0, -0.0, kNan, kInfinity, 1e-320}) {
    EXPECT_THROW(alpha_from_gamma(gamma), Error) << gamma;
  }
}

}  // namespace
}  // namespace expo
