#include "expo/extrapolation/recipe/recipe.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using Points = std::vector<double>;

Recipe parse(const std::string& text) {
  return parse_recipe(text, "r.yaml");
}

/// The message of the refusal, which must be one of usage.
std::string refusal(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage) << error.what();
    return error.what();
  }
  return "nothing was refused in: " + text;
}

TEST(Recipe, TakesEveryKey) {
  const Recipe recipe = parse(R"(
sft: owner/sft@v1
aligned: ./aligned+./adapter
output: out
alpha: 0.3
alpha_for:
  - {match: 'layers\.1\.', alpha: 0.5}
  - match: mlp
    alpha: {gradient: [0.1, -2e-1, +3]}
out_dtype: bfloat16
rounding: stochastic
seed: 18446744073709551615
max_shard_size: 2GiB
on_mismatch: common-rows
)");
  EXPECT_EQ(recipe.sft, "owner/sft@v1");
  EXPECT_EQ(recipe.aligned, "./aligned+./adapter");
  EXPECT_EQ(recipe.output, "out");
  EXPECT_EQ(recipe.alpha->points, Points{0.3});
  EXPECT_EQ(recipe.gamma, std::nullopt);
  ASSERT_EQ(recipe.rules.size(), 2u);
  EXPECT_EQ(recipe.rules[0].match, R"(layers\.1\.)");
  EXPECT_EQ(recipe.rules[0].alpha.points, Points{0.5});
  EXPECT_EQ(recipe.rules[1].match, "mlp");
  EXPECT_EQ(recipe.rules[1].alpha.points, (Points{0.1, -0.2, 3}));
  EXPECT_EQ(recipe.out_dtype, "bfloat16");
  EXPECT_EQ(recipe.rounding, "stochastic");
  EXPECT_EQ(recipe.seed, 18446744073709551615u);
  EXPECT_EQ(recipe.max_shard_size, "2GiB");
  EXPECT_EQ(recipe.on_mismatch, "common-rows");
  EXPECT_TRUE(recipe.notes.empty());
}

TEST(Recipe, IsSilentWhereNothingIsSaid) {
  const Recipe recipe = parse("gamma: 0.77");
  EXPECT_EQ(recipe.gamma, 0.77);
  EXPECT_FALSE(recipe.sft || recipe.aligned || recipe.output || recipe.alpha || recipe.out_dtype ||
               recipe.rounding || recipe.seed || recipe.max_shard_size || recipe.on_mismatch);
  EXPECT_TRUE(recipe.rules.empty());
}

TEST(Recipe, TakesGradientsAnchorsAndComments) {
  const Recipe recipe = parse(R"(# a comment
alpha: &depth {gradient: [0.1, 0.5]}   # over the depth
alpha_for: [{match: lm_head, alpha: *depth}]
)");
  EXPECT_EQ(recipe.alpha->points, (Points{0.1, 0.5}));
  EXPECT_EQ(recipe.rules.at(0).alpha.points, (Points{0.1, 0.5}));
}

TEST(Recipe, IsReadFromAFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("r.yaml", "alpha: nonsense");
  try {
    read_recipe(posix_filesystem(), file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), file.string() + ":1: "));
  }
  folder.write("r.yaml", "alpha: 2");
  EXPECT_EQ(read_recipe(posix_filesystem(), file).alpha->points, Points{2});
}

struct Refused {
  const char* text;
  int line;
  const char* said;
};
class RefusedRecipe : public testing::TestWithParam<Refused> {};

TEST_P(RefusedRecipe, NamesFileLineAndKey) {
  const std::string message = refusal(GetParam().text);
  EXPECT_TRUE(contains(message, "r.yaml:" + std::to_string(GetParam().line) + ": "));
  EXPECT_TRUE(contains(message, GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    Ours, RefusedRecipe,
    testing::Values(
        Refused{"", 1, "the recipe is nothing"}, Refused{"- a", 1, "the recipe is a list"},
        Refused{"just words", 1, "the recipe is \"just words\""},
        Refused{"alpha: 1\ngamma: 0.5", 2, "alpha and gamma set the same value"},
        Refused{"alpha: 1\n\nalhpa_for: []", 3, "\"alhpa_for\" is not a key"},
        Refused{"alpha: 1\nalpha: 2", 2, "\"alpha\" occurs twice"},
        Refused{"alpha: 1\n\"\\x61lpha\": 2", 2, "\"alpha\" occurs twice"},
        Refused{"alpha: high", 1, "alpha is \"high\""}, Refused{"alpha:", 1, "alpha is nothing"},
        Refused{"alpha: .inf", 1, "alpha is \".inf\""},
        Refused{"alpha: nan", 1, "alpha is \"nan\""}, Refused{"alpha: inf", 1, "alpha is \"inf\""},
        Refused{"alpha: 1e999", 1, "\"1e999\""}, Refused{"alpha: 0.3x", 1, "\"0.3x\""},
        Refused{"alpha: +-1", 1, "\"+-1\""}, Refused{"alpha: [0.1]", 1, "alpha is a list"},
        Refused{"alpha: {grad: [1]}", 1, "\"grad\" is not a key of alpha"},
        Refused{"alpha: {}", 1, "{gradient"}, Refused{"alpha: {gradient: []}", 1, "{gradient"},
        Refused{"alpha: {gradient: 3}", 1, "{gradient"},
        Refused{"alpha:\n  gradient:\n    - 1\n    - x", 4, "gradient is \"x\""},
        Refused{"\ngamma: 0", 2, "gamma is 0"}, Refused{"gamma: .nan", 1, "gamma"},
        Refused{"alpha: 1\nalpha_for: 3", 2, "alpha_for needs a list"},
        Refused{"alpha: 1\nalpha_for:\n  - 3", 3, "a rule of alpha_for is \"3\""},
        Refused{"alpha: 1\nalpha_for:\n  - {alpha: 3}", 3, "has no match"},
        Refused{"alpha: 1\nalpha_for:\n  - {match: a}", 3, "has no alpha"},
        Refused{"alpha: 1\nalpha_for:\n  - {match: a, alpha: 1, x: 2}", 3, "\"x\" is not a key"},
        Refused{"alpha: 1\nalpha_for:\n  - {match: '(', alpha: 1}", 3, "regular expression"},
        Refused{"alpha: 1\nout_dtype: int8", 2, "out_dtype is \"int8\""},
        Refused{"alpha: 1\nout_dtype: [f32]", 2, "out_dtype is a list"},
        Refused{"alpha: 1\nrounding: up", 2, "rounding is \"up\""},
        Refused{"alpha: 1\nseed: -1", 2, "seed is \"-1\""},
        Refused{"alpha: 1\nseed: 1.5", 2, "seed is \"1.5\""},
        Refused{"alpha: 1\nseed: 18446744073709551616", 2, "seed"},
        Refused{"alpha: 1\nmax_shard_size: 5XB", 2, "\"5XB\" is not a size"},
        Refused{"alpha: 1\non_mismatch: whatever", 2, "whatever"},
        Refused{"alpha: 1\nsft: ''", 2, "sft is \"\""},
        Refused{"alpha: 1\nsft: {a: b}", 2, "sft is a"}, Refused{"alpha: !!float 1", 1, "tag"},
        Refused{"a: &a [*a]", 1, "inside its own anchor"},
        Refused{"alpha: *nowhere", 1, "not valid YAML"}, Refused{"alpha: [1", 1, "not valid YAML"},
        Refused{"alpha: 1\n---\nalpha: 2", 2, "second document"},
        Refused{"<<: {alpha: 1}", 1, "merge keys"},
        Refused{"? [a]\n: 1", 1, "a key is not a scalar"}));

TEST(Recipe, RefusesWhatWouldGrow) {
  EXPECT_TRUE(contains(refusal("alpha: 1\n#" + std::string(1'000'000, 'x')), "at most 1000000"));
  EXPECT_TRUE(
      contains(refusal("a: " + std::string(70, '[') + std::string(70, ']')), "deeper than 64"));
  EXPECT_TRUE(contains(refusal("a: " + std::string(100'000, '[')), "r.yaml:1: "));
  EXPECT_TRUE(contains(refusal(std::string("alpha: 1\0", 9)), "zero bytes"));
  std::string laughs = "a0: &a0 [lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    laughs += name + ": &" + name + " [" + before + ", " + before + "]\n";
  }
  EXPECT_TRUE(contains(refusal(laughs), "would exceed 1 MB"));
}

TEST(MergekitRecipe, TaskArithmetic) {
  const Recipe recipe = parse(R"(
merge_method: task_arithmetic
base_model: owner/sft
models:
  - model: owner/sft
  - model: owner/aligned@v2
    parameters: {weight: 1.3, density: 0.5}
parameters: {normalize: false, int8_mask: true}
dtype: float32
out_dtype: torch.bfloat16
)");
  EXPECT_EQ(recipe.sft, "owner/sft");
  EXPECT_EQ(recipe.aligned, "owner/aligned@v2");
  EXPECT_EQ(recipe.alpha->points, Points{0.3}) << "not 0.30000000000000004";
  EXPECT_EQ(recipe.out_dtype, "bfloat16");
  EXPECT_TRUE(recipe.rules.empty());
  EXPECT_FALSE(recipe.notes.empty());
}

const std::string kTask =
    "merge_method: task_arithmetic\nbase_model: s\nmodels: [{model: a, parameters: {weight: W}}]\n";

/// A task_arithmetic recipe with this weight, and more lines.
std::string task(const std::string& weight, const std::string& more = "") {
  std::string text = kTask;
  return text.replace(text.find('W'), 1, weight) + more;
}

TEST(MergekitRecipe, LambdaMultipliesTheWeight) {
  EXPECT_EQ(parse(task("1.3", "parameters: {lambda: 2}")).alpha->points, Points{1.6});
  EXPECT_EQ(parse(task("[1, 2]", "parameters: {lambda: 0.5}")).alpha->points, (Points{-0.5, 0}));
  EXPECT_EQ(parse(task("2", "parameters: {lambda: [1, 1.5]}")).alpha->points, (Points{1, 2}));
  EXPECT_EQ(parse("merge_method: task_arithmetic\nbase_model: s\nmodels: [{model: a}]\n"
                  "parameters: {weight: 1.25}")
                .alpha->points,
            Points{0.25});
}

TEST(MergekitRecipe, FiltersBecomeRules) {
  const Recipe recipe = parse(task(
      "[{filter: self_attn, value: 1.5}, {filter: 'm.p', value: 2}, {value: 1.25}, {value: 9}]"));
  EXPECT_EQ(recipe.alpha->points, Points{0.25});
  ASSERT_EQ(recipe.rules.size(), 2u);
  EXPECT_EQ(recipe.rules[0].match, R"(m\.p)");
  EXPECT_EQ(recipe.rules[0].alpha.points, Points{1});
  EXPECT_EQ(recipe.rules[1].match, "self_attn") << "the first filter wins, so it comes last";
  EXPECT_EQ(recipe.rules[1].alpha.points, Points{0.5});
}

TEST(MergekitRecipe, Linear) {
  const auto linear = [](const std::string& a, const std::string& b, const std::string& more = "") {
    return parse("merge_method: linear\nmodels:\n  - {model: x, parameters: {weight: " + a +
                 "}}\n  - {model: y, parameters: {weight: " + b + "}}\n" + more);
  };
  const Recipe first = linear("1.3", "-0.3");
  EXPECT_EQ(first.aligned, "x");
  EXPECT_EQ(first.sft, "y");
  EXPECT_EQ(first.alpha->points, Points{0.3});
  const Recipe second = linear("-1", "3");
  EXPECT_EQ(second.aligned, "y");
  EXPECT_EQ(second.alpha->points, Points{0.5}) << "weights are divided by their sum";
  const Recipe negative = linear("-3", "1");
  EXPECT_EQ(negative.aligned, "x") << "divided by -2 it is 1.5";
  EXPECT_EQ(negative.alpha->points, Points{0.5});
  EXPECT_EQ(linear("[1.1, 1.5]", "[-0.1, -0.5]", "parameters: {normalize: no}").alpha->points,
            (Points{0.1, 0.5}));
  EXPECT_EQ(linear("1.5", "-0.5", "base_model: x").aligned, "x");
}

INSTANTIATE_TEST_SUITE_P(
    Mergekit, RefusedRecipe,
    testing::Values(
        Refused{"merge_method: ties\nmodels: []", 1, "\"ties\" is not an extrapolation"},
        Refused{"merge_method: slerp", 1, "\"slerp\" is not an extrapolation"},
        Refused{"merge_method: linear\nslices: []", 2, "slices is not supported"},
        Refused{"merge_method: linear\nmodules: {}", 2, "modules is not supported"},
        Refused{"merge_method: linear\ntokenizer_source: union", 2,
                "tokenizer_source is not supported"},
        Refused{"merge_method: linear\ntokenizer: {}", 2, "tokenizer is not supported"},
        Refused{"merge_method: linear\nchat_template: auto", 2, "chat_template is not supported"},
        Refused{"merge_method: linear\nalpha: 1", 2, "\"alpha\" is not a key"},
        Refused{"merge_method: linear", 1, "models is missing"},
        Refused{"merge_method: linear\nmodels: x", 2, "models is not a list"},
        Refused{"merge_method: linear\nmodels:\n - x", 3, "a model is \"x\""},
        Refused{"merge_method: linear\nmodels:\n - {x: 1}", 3, "\"x\" is not a key of a model"},
        Refused{"merge_method: linear\nmodels:\n - {parameters: {}}", 3, "no `model`"},
        Refused{"merge_method: linear\nmodels:\n - {model: a}\n - {model: a}", 4, "listed twice"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: 1}}", 2,
                "needs two models"},
        Refused{"merge_method: linear\nmodels:\n - {model: a}\n - {model: b}", 3,
                "the weight of a is missing"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: 1}}\n"
                " - {model: b, parameters: {density: 1}}",
                4, "density is not supported"},
        Refused{"merge_method: linear\nmodels:\n - {model: a}\n - {model: b}\n"
                "parameters: {weight: 1}",
                2, "equal weights"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: 1}}\n"
                " - {model: b, parameters: {weight: -1}}",
                2, "add up to 0"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: 1.3}}\n"
                " - {model: b, parameters: {weight: -0.2}}\nparameters: {normalize: false}",
                2, "add up to 1.1"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: [1, 2]}}\n"
                " - {model: b, parameters: {weight: 0.5}}",
                2, "varies over the layers"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: [1, 2]}}\n"
                " - {model: b, parameters: {weight: [1, 2, 3]}}",
                2, "different numbers of points"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: [0.3, 0.7]}}\n"
                " - {model: b, parameters: {weight: [0.7, 0.3]}}",
                2, "neither model has the greater weight"},
        Refused{
            "merge_method: linear\nbase_model: c\nmodels:\n - {model: a, parameters: {weight: 1}}\n"
            " - {model: b, parameters: {weight: 2}}",
            2, "base_model is not one of the models"},
        Refused{"merge_method: linear\nmodels:\n - {model: a, parameters: {weight: 1}}\n"
                " - {model: b, parameters: {weight: 2}}\nparameters: {lambda: 2}",
                5, "lambda is not a parameter of linear"},
        Refused{"merge_method: task_arithmetic\nmodels: [{model: a, parameters: {weight: 1}}]", 1,
                "needs a base_model"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\nmodels: [{model: s}]", 3,
                "but there are 0"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\nmodels: [{model: a}, {model: b}]", 3,
                "but there are 2"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\nmodels:\n - {model: a}", 4,
                "the weight of a is missing"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\nmodels:\n"
                " - {model: a, parameters: {weight: [{filter: mlp, value: 1}]}}",
                4, "for tensors that no filter matches"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\nmodels:\n"
                " - {model: a, parameters: {weight: 1, lambda: 2}}",
                4, "lambda is not supported among a model's parameters"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: 1}}]\nparameters:\n  normalize: true",
                5, "divides the weight by itself"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: 1}}]\nparameters:\n  normalize: [true]",
                5, "normalize is a list"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: 1}}]\nparameters:\n  epsilon: 1",
                5, "epsilon is not a parameter"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: [1, 2]}}]\nparameters:\n  lambda: [1, 2]",
                5, "not linear between the points"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: true}}]",
                3, "weight is \"true\""},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: []}}]",
                3, "weight needs 1 to"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: [1, {value: 2}]}}]",
                3, "weight is a mapping"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: [{filter: x}]}}]",
                3, "has no value"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: 1e9999}}]",
                3, "1e9999"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\n"
                "models: [{model: a, parameters: {weight: 1e400}}]",
                3, "not a finite number"},
        Refused{"merge_method: task_arithmetic\nbase_model: s\ndtype: int64\n"
                "models: [{model: a, parameters: {weight: 1}}]",
                3, "dtype is \"int64\""}));

}  // namespace
}  // namespace expo
