#include <gtest/gtest.h>

#include "expo/extrapolation/recipe/recipe_text.h"
#include "expo/search/live/module_schedule.h"
#include "expo/search/run/search_recipe.h"
#include "expo/search/run/search_run.h"
#include "expo/search/source/simulator.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

Simulation simulation_with(double height) {
  Simulation simulation;
  simulation.truth = &truth_named("one-peak");
  simulation.prompts = 2000;
  simulation.modules.emplace().height = height;
  return simulation;
}

PromptSplit halves(std::size_t prompts) {
  PromptSplit split;
  for (std::size_t i = 0; i < prompts; ++i)
    (i % 2 == 0 ? split.choosing : split.confirming).push_back(i);
  return split;
}

SearchResult search(double height, std::optional<std::uint64_t> tokens,
                    std::size_t prompts = 2000) {
  Simulator source(simulation_with(height), {-1, 0, 0.5, 1, 2, 4, 8}, 4);
  SearchRunOptions options;
  options.modules = true;
  options.tokens = tokens;
  return run_search(source, halves(prompts), options);
}

TEST(SearchModules, AreConfirmedAgainstTheUniformAlpha) {
  const SearchResult result = search(0.2, std::nullopt);
  ASSERT_EQ(result.confirmation.verdict, Verdict::gain);
  ASSERT_TRUE(result.modules && result.modules->confirmation);
  EXPECT_TRUE(result.modules->is_gain());
  EXPECT_TRUE(result.modules->chosen.modules);
  const Json json = to_json(result);
  const Json& modules = json.at("modules");
  EXPECT_EQ(modules.at("verdict"), "gain");
  EXPECT_GT(modules.at("gain").get<double>(), 0.03);
  EXPECT_LE(modules.at("p").get<double>(), 0.05);
  EXPECT_EQ(modules.at("parameters").at("alpha"), json.at("alpha"));
  EXPECT_TRUE(recommends_modules(json));
  // Points of the modules are no α of the table.
  for (const Json& each : json.at("candidates"))
    EXPECT_EQ(each.at("label").get<std::string>().find("attention"), std::string::npos);
}

TEST(SearchModules, AreOnlyTestedOnceTheUniformAlphaGains) {
  const SearchResult result = search(0.2, std::nullopt, 40);
  ASSERT_NE(result.confirmation.verdict, Verdict::gain);
  ASSERT_TRUE(result.modules);
  EXPECT_FALSE(result.modules->confirmation);
  EXPECT_TRUE(result.modules->points.empty());
  EXPECT_EQ(to_json(result).at("modules").at("verdict"), "not-tested");
  EXPECT_FALSE(recommends_modules(to_json(result)));
}

TEST(SearchModules, SayThatTheChoosingPartIsTooSmall) {
  Simulator source(simulation_with(0.2), {-1, 0, 4}, 4);
  PromptSplit split = halves(2000);
  split.choosing.resize(19);
  SearchRunOptions options;
  options.modules = true;
  options.strategy = Strategy::grid;
  const SearchResult result = run_search(source, split, options);
  ASSERT_EQ(result.confirmation.verdict, Verdict::gain);
  EXPECT_EQ(result.modules->skipped, "the choosing part holds 19 rows, and each point needs 20");
  EXPECT_EQ(to_json(result).at("modules").at("verdict"), "not-tested");
}

TEST(SearchModules, KeepToTheBudgetOfTheWholeSearch) {
  constexpr std::uint64_t kBudget = 500'000;
  const SearchResult result = search(0.2, kBudget);
  ASSERT_TRUE(result.modules && result.modules->confirmation);
  EXPECT_LE(result.tokens, kBudget * 102 / 100);
  EXPECT_LE(result.choosing_tokens, kBudget / 3 * 102 / 100);
  EXPECT_LE(result.modules->choosing_tokens, kBudget / 2);
}

TEST(SearchModules, NoBudgetThatDoesForTheUniformAlphaIsTooSmall) {
  for (std::uint64_t budget = 60'000; budget < 400'000; budget += 20'000) {
    const SearchResult result = search(0.2, budget);
    ASSERT_TRUE(result.modules) << budget;
    EXPECT_EQ(result.modules->skipped.empty(), result.modules->confirmation.has_value()) << budget;
    EXPECT_LE(result.tokens, budget * 105 / 100) << budget;
    if (result.modules->chosen.modules) continue;
    // What was compared are the prompts of the first test, whatever was asked later.
    EXPECT_EQ(result.compared_prompts, result.confirmation.gain->difference.count) << budget;
  }
}

/// A simulation whose scores are changed.
class ChangedSource : public ScoreSource {
 public:
  explicit ChangedSource(Simulator& source) : source_(source) {}
  const std::vector<Candidate>& candidates() const override { return source_.candidates(); }
  std::size_t prompts() const override { return source_.prompts(); }
  std::uint32_t samples() const override { return source_.samples(); }
  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override {
    return source_.candidate_at(alpha, like);
  }
  std::optional<std::size_t> module_candidate(const ModulePoint& point, std::size_t like) override {
    return source_.module_candidate(point, like);
  }
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override {
    std::vector<Score> scores = source_.scores(requests);
    for (std::size_t i = 0; i < scores.size(); ++i) change(requests[i], scores[i]);
    return scores;
  }

 private:
  virtual void change(const ScoreRequest& request, Score& score) const = 0;

  Simulator& source_;
};

/// Every point but the start runs to 2,048 tokens.
class EndlessPoints final : public ChangedSource {
 public:
  using ChangedSource::ChangedSource;

 private:
  void change(const ScoreRequest& request, Score& score) const override {
    if (!candidates()[request.candidate].modules) return;
    score.tokens = 2048;
    score.ending = Ending::length;
  }
};

TEST(SearchModules, PointsWhoseAnswersDoNotEndAreDroppedUnscored) {
  Simulator simulator(simulation_with(0.2), {-1, 0, 0.5, 1, 2, 4, 8}, 4);
  EndlessPoints source(simulator);
  SearchRunOptions options;
  options.modules = true;
  options.tokens = 500'000;
  std::size_t dropped = 0;
  options.on_collapsed = [&](const Collapsed& each, const std::vector<Candidate>& all) {
    EXPECT_TRUE(all.at(each.candidate).modules);
    ++dropped;
  };
  const SearchResult result = run_search(source, halves(2000), options);
  ASSERT_TRUE(result.modules);
  EXPECT_GE(dropped, 8U);
  EXPECT_FALSE(result.modules->chosen.modules);
  EXPECT_LE(result.tokens, 500'000U);
}

/// A simulation whose answers have a further score.
class WithBrief final : public ChangedSource {
 public:
  using ChangedSource::ChangedSource;
  static double brief(const ScoreRequest& request) {
    return jitter(request.candidate, request.prompt, request.sample);
  }
  std::vector<Measure> measures() const override { return {{"brief", true}, {"length_2", false}}; }

 private:
  void change(const ScoreRequest& request, Score& score) const override {
    score.measures = {brief(request), 2 * score.length};
  }
};

TEST(SearchModules, ShowFurtherObjectivesOfThePointThatIsCompared) {
  Simulator simulator(simulation_with(0.2), {-1, 0, 0.5, 1, 2, 4, 8}, 4);
  WithBrief source(simulator);
  SearchRunOptions options;
  options.modules = true;
  const SearchResult result = run_search(source, halves(2000), options);
  ASSERT_TRUE(result.modules && result.modules->chosen.modules);
  double point = 0, difference = 0;
  for (std::size_t prompt = 1; prompt < 2000; prompt += 2) {
    for (std::uint32_t sample = 0; sample < 2; ++sample) {
      const double own = WithBrief::brief({result.modules->chosen_number, prompt, sample});
      point += own / 2000;
      difference += (own - WithBrief::brief({result.chosen, prompt, sample})) / 2000;
    }
  }
  const Json json = to_json(result);
  const Json& modules = json.at("modules");
  const Json& confirming = modules.at("confirming");
  EXPECT_EQ(confirming.at("prompts"), 1000);
  EXPECT_NEAR(confirming.at("scores").at("brief").at("mean").get<double>(), point, 1e-12);
  EXPECT_NEAR(confirming.at("length_2").get<double>(), 2 * confirming.at("length").get<double>(),
              1e-9);
  EXPECT_GT(modules.at("choosing").at("prompts").get<std::size_t>(), 0U);
  const Json& shown = modules.at("shown");
  EXPECT_EQ(shown.size(), 1U);
  EXPECT_NEAR(shown.at("brief").at("difference").get<double>(), difference, 1e-12);
  EXPECT_GT(shown.at("brief").at("standard_error").get<double>(), 0);
  // The point's own mean is that of the test.
  EXPECT_NEAR(confirming.at("mean").get<double>() -
                  estimate_json(result.candidates[result.chosen].confirming, result.measures)
                      .at("mean")
                      .get<double>(),
              modules.at("gain").get<double>(), 1e-12);
}

TEST(SearchModules, AreLeftOutWithoutTheOption) {
  Simulator source(simulation_with(0.2), {-1, 0, 2}, 4);
  const SearchResult result = run_search(source, halves(200), {});
  EXPECT_FALSE(result.modules);
  EXPECT_TRUE(to_json(result).at("modules").is_null());
}

/// A result as search.json holds it, as far as a recipe depends on it.
Json result_with(const std::string& verdict) {
  return {
      {"sft", "models/it's \"sft\""},
      {"aligned", "aligned"},
      {"alpha", 4.1},
      {"setting", {{"dtype", "bfloat16"}, {"rounding", "stochastic"}, {"rounding_seed", 7}}},
      {"on_mismatch", "refuse"},
      {"modules",
       {{"verdict", verdict},
        {"parameters",
         {{"alpha", 4.1}, {"attention", 1.741}, {"mlp", 0.574}, {"rest", 1.2}, {"slope", 0.3}}}}}};
}

/// As `expo extrapolate --recipe` makes a schedule of it.
AlphaSchedule schedule_of(const Recipe& recipe) {
  AlphaSchedule schedule = AlphaSchedule::gradient(recipe.alpha->points);
  for (const Recipe::Rule& rule : recipe.rules) schedule.add_rule(rule.match, rule.alpha.points);
  return schedule;
}

TEST(SearchRecipe, IsReadBackWithTheAlphaOfEachTensor) {
  const Json result = result_with("gain");
  const Recipe recipe = parse_recipe(recipe_text(recommended_recipe(result)), "recipe.yaml");
  EXPECT_EQ(recipe.sft, "models/it's \"sft\"");
  EXPECT_EQ(recipe.aligned, "aligned");
  EXPECT_EQ(recipe.out_dtype, "bfloat16");
  EXPECT_EQ(recipe.rounding, "stochastic");
  EXPECT_EQ(recipe.seed, 7U);
  const AlphaSchedule read = schedule_of(recipe);
  const AlphaSchedule searched = module_schedule(4.1, {1.741, 0.574, 1.2, 0.3});
  const AlphaSchedule written = recommended_schedule(result);
  for (const std::string layer : {"0", "7", "29"}) {
    for (const std::string name : {"self_attn.q_proj", "mlp.down_proj", "input_layernorm"}) {
      const std::string tensor = "model.layers." + layer + "." + name + ".weight";
      EXPECT_EQ(read.alpha_for(tensor, 30), searched.alpha_for(tensor, 30)) << tensor;
      EXPECT_EQ(written.alpha_for(tensor, 30), searched.alpha_for(tensor, 30)) << tensor;
    }
  }
  for (const std::string tensor : {"model.embed_tokens.weight", "model.norm.weight"})
    EXPECT_EQ(read.alpha_for(tensor, 30), searched.alpha_for(tensor, 30)) << tensor;
}

TEST(SearchRecipe, IsOneNumberUnlessModulesGain) {
  const Recipe recipe =
      parse_recipe(recipe_text(recommended_recipe(result_with("undecided"))), "recipe.yaml");
  EXPECT_TRUE(recipe.rules.empty());
  EXPECT_EQ(recipe.alpha->points, std::vector<double>{4.1});
  EXPECT_EQ(recommended_schedule(result_with("undecided")).uniform(), 4.1);
}

}  // namespace
}  // namespace expo
