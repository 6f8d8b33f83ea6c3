#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "expo/extrapolation/plan/tensor_groups.h"
#include "expo/search/live/module_schedule.h"
#include "expo/search/modules/module_model.h"
#include "expo/search/modules/module_search.h"
#include "expo/search/source/simulator.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

Simulation simulation_with(double height) {
  Simulation simulation;
  simulation.truth = &truth_named("one-peak");
  simulation.prompts = 4000;
  simulation.modules.emplace().height = height;
  return simulation;
}

double mean_of(Simulator& source, std::size_t candidate) {
  double sum = 0;
  for (std::size_t prompt = 0; prompt < source.prompts(); ++prompt) {
    const ScoreRequest request{candidate, prompt, 0};
    sum += source.scores(std::span(&request, 1)).front().score;
  }
  return sum / static_cast<double>(source.prompts());
}

TEST(ModulePoint, IsFoundAgainAtItsPlace) {
  const ModulePoint point{1.5, 0.625, 2, -0.25};
  EXPECT_EQ(point_at(place_of(point)), point);
  EXPECT_EQ(point_at({}), ModulePoint{});
  EXPECT_EQ(place_of(point)[2], 1);
}

TEST(ModuleEffects, GainNothingOnTheUniformLineAndMostAtTheirBest) {
  ModuleEffects effects;
  effects.height = 0.06;
  EXPECT_NEAR(effects.gain({}), 0, 1e-12);
  EXPECT_NEAR(effects.gain(effects.best), 0.06, 1e-12);
  ModulePlace opposite = effects.best;
  for (double& each : opposite) each = -each;
  EXPECT_LT(effects.gain(opposite), 0);
}

TEST(ModuleEffects, SplitALevelFromADeparture) {
  const ModuleSplit doubled = split_point(3, {2, 2, 2, 0});
  EXPECT_NEAR(doubled.alpha, 6, 1e-12);
  EXPECT_NEAR(doubled.size(), 0, 1e-12);
  // 0.4 · 1 of attention, on the scale of the logarithm to the base 2
  const ModuleSplit apart = split_point(3, {2, 1, 1, 0});
  EXPECT_NEAR(apart.alpha, 3 * std::pow(2, 0.4), 1e-12);
  EXPECT_NEAR(apart.size(), std::sqrt(0.6 * 0.6 + 2 * 0.4 * 0.4), 1e-12);
}

TEST(Simulator, HasItsTruthAsMeanWhereModulesDiffer) {
  Simulator source(simulation_with(0.2), {0, 2}, 3);
  for (const ModulePoint& point : {ModulePoint{1.741, 0.536, 1.149, 0.5},
                                   ModulePoint{0.5, 2, 1, -0.5}, ModulePoint{2, 2, 2, 0}}) {
    const std::size_t made = *source.module_candidate(point, 1);
    EXPECT_EQ(source.module_candidate(point, 1), made);
    const double truth = source.truth(source.candidates()[made]);
    EXPECT_NEAR(mean_of(source, made), truth, 4 * 0.5 / std::sqrt(4000.0));
  }
}

TEST(Simulator, MakesNoModuleCandidatesWithoutModules) {
  Simulation simulation = simulation_with(0);
  simulation.modules.reset();
  Simulator source(simulation, {0, 2}, 3);
  EXPECT_FALSE(source.module_candidate({2, 1, 1, 0}, 1));
}

SearchOptions options_without_budget() {
  SearchOptions options;
  options.baseline = 0;
  return options;
}

TEST(ModuleSearch, FindsAGainThatIsThere) {
  Simulator source(simulation_with(0.2), {0, 1, 2, 4}, 5);
  ScoreTable table(source, numbers(1000), SampleOrder::apart);
  table.ask(numbers(4), table.rows());
  const Choice choice = choose_modules(table, 2, options_without_budget());
  ASSERT_TRUE(source.candidates()[choice.chosen].modules);
  EXPECT_GT(source.truth(source.candidates()[choice.chosen]),
            source.truth(source.candidates()[2]) + 0.07);
  EXPECT_EQ(choice.looks.size(), 3U);
}

TEST(ModuleSearch, LosesLittleWhereNothingIsToBeFound) {
  Simulator source(simulation_with(0), {0, 1, 2, 4}, 6);
  ScoreTable table(source, numbers(1000), SampleOrder::apart);
  table.ask(numbers(4), table.rows());
  const Choice choice = choose_modules(table, 2, options_without_budget());
  EXPECT_GT(source.truth(source.candidates()[choice.chosen]),
            source.truth(source.candidates()[2]) - 0.02);
}

TEST(ModuleSearch, KeepsToItsBudget) {
  Simulator source(simulation_with(0.1), {0, 1, 2, 4}, 7);
  ScoreTable table(source, numbers(400), SampleOrder::apart);
  table.ask(numbers(4), 100);
  SearchOptions options = options_without_budget();
  options.tokens = 100000;
  const std::uint64_t before = table.tokens();
  const Choice choice = choose_modules(table, 2, options);
  EXPECT_EQ(choice.tokens, table.tokens() - before);
  EXPECT_LE(choice.tokens, 103000U);
  EXPECT_GE(choice.tokens, 80000U);
}

TEST(ModuleSearch, LeavesTheStartWhereTokensReachForNothing) {
  Simulator source(simulation_with(0.2), {0, 1, 2, 4}, 8);
  ScoreTable table(source, numbers(400), SampleOrder::apart);
  table.ask(numbers(4), 100);
  SearchOptions options = options_without_budget();
  options.tokens = 2000;
  const std::uint64_t before = table.tokens();
  EXPECT_EQ(choose_modules(table, 2, options).chosen, 2U);
  EXPECT_EQ(table.tokens(), before);
}

TEST(ModuleSearch, AsksEachPointForTwentyRowsOrNone) {
  for (const std::size_t rows : {19, 20, 60}) {
    Simulator source(simulation_with(0.2), {0, 1, 2, 4}, 8);
    ScoreTable table(source, numbers(rows));
    table.ask(numbers(4), rows);
    const std::uint64_t before = table.tokens();
    SearchOptions options = options_without_budget();
    options.screen = false;
    const Choice choice = choose_modules(table, 2, options);
    if (rows < 20) {
      EXPECT_TRUE(choice.looks.empty());
      EXPECT_EQ(table.tokens(), before);
      continue;
    }
    for (const LookEntry& entry : choice.looks.at(0).entries)
      EXPECT_EQ(entry.prompts, source.candidates()[entry.candidate].modules ? 20U : rows);
  }
}

TEST(ModuleSearch, LeavesTheStartOfASourceThatMakesNothing) {
  FakeSource source({0, 1}, 50, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt), 10, 10, Ending::stop};
  });
  ScoreTable table(source, numbers(50));
  table.ask(numbers(2), 50);
  EXPECT_EQ(choose_modules(table, 1, options_without_budget()).chosen, 1U);
  EXPECT_EQ(choose_modules(table, 0, options_without_budget()).chosen, 0U);
}

TEST(ModuleSearch, ChoosesNothingAgainstAGuard) {
  Simulator source(simulation_with(0.2), {0, 1, 2, 4}, 5);
  ScoreTable table(source, numbers(1000), SampleOrder::apart);
  table.ask(numbers(4), table.rows());
  SearchOptions options = options_without_budget();
  options.guards = {parse_guard("length<=0.1x")};
  EXPECT_EQ(choose_modules(table, 2, options).chosen, 2U);
}

TEST(ModuleModel, TakesUniformAlphasForPointsWithEqualMultipliers) {
  Simulator source(simulation_with(0), {-1, 0, 2, 4}, 1);
  ScoreTable table(source, numbers(4));
  EXPECT_EQ(place_of(table, 3, 2), (ModulePlace{1, 1, 1, 0}));
  EXPECT_FALSE(place_of(table, 1, 2));
  const std::size_t made = *source.module_candidate({2, 1, 0.5, 0.25}, 2);
  EXPECT_EQ(place_of(table, made, 2), (ModulePlace{1, 0, -1, 0.25}));
}

const std::vector<std::string>& known_names() {
  static const std::vector<std::string> names{
      "model.layers.1.self_attn.q_proj.weight",
      "model.layers.1.self_attn.o_proj.weight",
      "model.layers.1.self_attn.q_norm.weight",
      "model.layers.1.mlp.gate_proj.weight",
      "model.layers.1.mlp.down_proj.weight",
      "model.layers.1.post_attention_layernorm.weight",
      "model.layers.1.pre_feedforward_layernorm.weight",
      "model.layers.1.input_layernorm.weight",
      "model.layers.1.block_sparse_moe.experts.0.w1.weight",
      "model.layers.1.block_sparse_moe.gate.weight",
      "model.embed_tokens.weight",
      "model.norm.weight",
      "lm_head.weight",
      "transformer.h.1.attn.c_attn.weight",
      "transformer.h.1.attn.c_proj.weight",
      "transformer.h.1.mlp.c_fc.weight",
      "transformer.h.1.mlp.c_proj.weight",
      "transformer.h.1.ln_1.weight",
      "transformer.wte.weight",
      "gpt_neox.layers.1.attention.query_key_value.weight",
      "gpt_neox.layers.1.attention.dense.weight",
      "gpt_neox.layers.1.mlp.dense_h_to_4h.weight",
      "transformer.h.1.self_attention.query_key_value.weight",
      "transformer.h.1.ln_attn.weight",
      "transformer.h.1.ln_mlp.weight",
      "model.decoder.layers.1.fc1.weight",
      "model.decoder.layers.1.fc2.weight",
      "model.decoder.layers.1.self_attn_layer_norm.weight",
      "model.layers.1.attention.wqkv.weight",
      "model.layers.1.feed_forward.w1.weight",
      "blk.1.attn_q.weight",
      "blk.1.attn_output.weight",
      "blk.1.attn_norm.weight",
      "blk.1.ffn_gate.weight",
      "blk.1.ffn_norm.weight",
      "token_embd.weight",
      "output.weight"};
  return names;
}

TEST(ModuleSchedule, TellsTheKindsApartAsGroupsOfTensorsDo) {
  const AlphaSchedule schedule = module_schedule(1, {2, 3, 5, 0});
  for (const std::string& name : known_names()) {
    const std::string kind = group_of(name).kind;
    const double expected = kind.starts_with("attention.")                 ? 2
                            : kind.starts_with("mlp.") || kind == "router" ? 3
                                                                           : 5;
    EXPECT_EQ(schedule.alpha_for(name, 12), expected) << name << ", " << kind;
  }
}

TEST(ModuleSchedule, KnowsItsSmallestAlpha) {
  EXPECT_EQ(smallest_alpha(4, {2, 0.5, 1, 0}), 2);
  EXPECT_NEAR(smallest_alpha(4, {2, 1, 0.5, -0.5}), 4 * 0.5 * 0.75, 1e-12);
  EXPECT_EQ(smallest_alpha(4, {2, 2, 2, 0}), 4);
}

TEST(ModuleSchedule, IsTheFormulaOfModulePoint) {
  const ModulePoint point{2, 0.5, 1.5, 0.8};
  const AlphaSchedule schedule = module_schedule(4, point);
  const auto expected = [](double multiplier, double depth) {
    return 4 * multiplier * (1 + 0.8 * (depth - 0.5));
  };
  EXPECT_NEAR(schedule.alpha_for("model.layers.0.self_attn.q_proj.weight", 5), expected(2, 0),
              1e-12);
  EXPECT_NEAR(schedule.alpha_for("model.layers.3.mlp.up_proj.weight", 5), expected(0.5, 0.75),
              1e-12);
  EXPECT_NEAR(schedule.alpha_for("model.layers.4.input_layernorm.weight", 5), expected(1.5, 1),
              1e-12);
  EXPECT_NEAR(schedule.alpha_for("model.embed_tokens.weight", 5), expected(1.5, 0), 1e-12);
  EXPECT_NEAR(schedule.alpha_for("lm_head.weight", 5), expected(1.5, 1), 1e-12);
}

}  // namespace
}  // namespace expo
