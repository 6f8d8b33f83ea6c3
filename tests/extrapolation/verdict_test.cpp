#include "expo/extrapolation/diagnosis/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "expo/core/json.h"

namespace expo {
namespace {

// Statistics of models trained in known relations, written by scripts/calibrate_verdict.py.
Json read_pairs() {
  std::ifstream file(EXPO_SOURCE_DIR "/tests/extrapolation/verdict_pairs.json");
  std::stringstream text;
  text << file.rdbuf();
  return parse_json(text.str(), "verdict_pairs.json");
}

const Json& measured() {
  static const Json pairs = read_pairs();
  return pairs;
}

DeltaSums sums_of(const Json& row, std::uint64_t elements) {
  DeltaSums sums;
  sums.elements = elements;
  sums.changed = row[0];
  sums.sft_squared = row[1];
  sums.theta_squared = sums.sft_squared + row[2].get<double>();
  sums.delta_squared = row[3];
  sums.theta_dot_sft = (sums.theta_squared + sums.sft_squared - sums.delta_squared) / 2;
  return sums;
}

std::vector<TensorDelta> deltas_of(const Json& pair) {
  const Json& layout = measured()["models"][pair["model"].get<std::string>()];
  std::vector<TensorDelta> deltas;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const std::uint64_t elements = layout[i][1];
    deltas.push_back({layout[i][0], elements, sums_of(pair["tensors"][i], elements), 0.1});
  }
  return deltas;
}

std::vector<TensorDelta> swapped(std::vector<TensorDelta> deltas) {
  for (TensorDelta& delta : deltas) std::swap(delta.sums.theta_squared, delta.sums.sft_squared);
  return deltas;
}

using Relations = std::set<Relation>;

// What the verdict may say of a pair whose relation is known. Where regions overlap it may say
// that it cannot tell, and never the opposite.
Relations allowed(const Json& pair) {
  static const std::map<std::string, Relations> table{
      {"same", {Relation::same_model}},
      {"preference", {Relation::preference_successor}},
      {"preference, high rate", {Relation::large_step, Relation::cannot_tell}},
      // A short SFT leaves the trace of a preference run; the verdict says so as a caveat.
      {"more sft", {Relation::preference_successor}},
      {"short sft", {Relation::preference_successor, Relation::cannot_tell}},
      {"separate short sft", {Relation::preference_successor, Relation::cannot_tell}},
      {"base and sft", {Relation::large_step, Relation::cannot_tell}},
      {"base and preference", {Relation::large_step, Relation::cannot_tell}},
      {"separate sft", {Relation::large_step, Relation::separately_trained, Relation::cannot_tell}},
      {"separate preference", {Relation::preference_successor}},
      {"different bases", {Relation::different_bases}},
  };
  return table.at(pair["relation"]);
}

std::string describe(const Json& pair) {
  std::ostringstream text;
  text << pair["model"] << ": " << pair["relation"] << ": " << pair["sft"] << " to "
       << pair["aligned"] << ", " << pair["dtype"];
  return text.str();
}

TEST(Verdict, IsRightAboutEveryMeasuredPair) {
  ASSERT_GT(measured()["pairs"].size(), 40u);
  for (const Json& pair : measured()["pairs"]) {
    const Verdict verdict = judge(deltas_of(pair));
    EXPECT_TRUE(allowed(pair).contains(verdict.relation))
        << describe(pair) << ": " << relation_name(verdict.relation) << ", relative norm "
        << verdict.measures.relative_norm;
  }
}

TEST(Verdict, DoesNotClaimToKnowTheOrder) {
  for (const Json& pair : measured()["pairs"]) {
    const Verdict verdict = judge(deltas_of(pair));
    const Verdict reversed = judge(swapped(deltas_of(pair)));
    EXPECT_EQ(verdict.relation, reversed.relation) << describe(pair);
    if (verdict.relation != Relation::same_model && verdict.relation != Relation::different_bases) {
      EXPECT_TRUE(std::ranges::any_of(verdict.caveats, [](const std::string& caveat) {
        return caveat.find("wrong order") != std::string::npos;
      }));
    }
  }
}

/// `count` matrices whose change has this relative norm and stands at right angles to them.
std::vector<TensorDelta> uniform_change(double relative, int count = 10) {
  std::vector<TensorDelta> deltas;
  for (int i = 0; i < count; ++i) {
    DeltaSums sums;
    sums.elements = 1000;
    sums.changed = relative == 0 ? 0 : 900;
    sums.sft_squared = 100;
    sums.delta_squared = 100 * relative * relative;
    sums.theta_squared = sums.sft_squared + sums.delta_squared;
    sums.theta_dot_sft = sums.sft_squared;
    deltas.push_back({"model.layers." + std::to_string(i) + ".mlp.up_proj.weight", 1000, sums, 0});
  }
  return deltas;
}

Relation relation_at(double relative, ChatTemplates templates) {
  PairFacts facts;
  facts.chat_templates = templates;
  return judge(uniform_change(relative), facts).relation;
}

TEST(Verdict, HoldsToItsThresholds) {
  const auto unknown = ChatTemplates::unknown;
  EXPECT_EQ(relation_at(0, unknown), Relation::same_model);
  EXPECT_EQ(relation_at(1e-4, unknown), Relation::preference_successor);
  EXPECT_EQ(relation_at(2.9e-3, unknown), Relation::preference_successor);
  EXPECT_EQ(relation_at(3.1e-3, unknown), Relation::cannot_tell);
  EXPECT_EQ(relation_at(0.9e-2, unknown), Relation::cannot_tell);
  EXPECT_EQ(relation_at(1.1e-2, unknown), Relation::large_step);
  EXPECT_EQ(relation_at(1.0, unknown), Relation::cannot_tell);  // a cosine of 0.71
  EXPECT_EQ(relation_at(10, unknown), Relation::different_bases);
}

TEST(Verdict, HeedsChatTemplates) {
  EXPECT_EQ(relation_at(1e-3, ChatTemplates::same), Relation::preference_successor);
  EXPECT_EQ(relation_at(1e-3, ChatTemplates::only_aligned), Relation::base_and_sft);
  EXPECT_EQ(relation_at(5e-2, ChatTemplates::only_aligned), Relation::base_and_sft);
  EXPECT_EQ(relation_at(1e-3, ChatTemplates::only_sft), Relation::cannot_tell);
  EXPECT_EQ(relation_at(10, ChatTemplates::only_aligned), Relation::different_bases);
}

TEST(Verdict, LooksAtMatricesAlone) {
  auto deltas = uniform_change(1e-3);
  DeltaSums far;
  far.elements = 10;
  far.changed = 10;
  far.sft_squared = far.theta_squared = 10;
  far.delta_squared = 20;  // at right angles
  deltas.push_back({"model.norm.weight", 10, far, 0});
  deltas.push_back({"model.layers.0.self_attn.q_proj.bias", 10, far, 0});
  const Verdict verdict = judge(deltas);
  EXPECT_EQ(verdict.relation, Relation::preference_successor);
  EXPECT_EQ(verdict.measures.matrices, 10u);
  EXPECT_NEAR(verdict.measures.relative_norm, 1e-3, 1e-9);
}

TEST(Verdict, MeasuresTheStepWhereOneWasMade) {
  auto deltas = uniform_change(0, 30);  // frozen, as beside a merged adapter
  const auto moved = uniform_change(3e-2, 2);
  deltas.insert(deltas.end(), moved.begin(), moved.end());
  const Verdict verdict = judge(deltas);
  EXPECT_EQ(verdict.relation, Relation::large_step);
  EXPECT_EQ(verdict.measures.changed_matrices, 2u);
  EXPECT_NEAR(verdict.measures.relative_norm, 3e-2, 1e-9);
}

TEST(Verdict, KnowsOtherArchitecturesByWhatCannotBeCompared) {
  PairFacts facts;
  facts.incomparable_elements = 30'000;
  const Verdict verdict = judge(uniform_change(1e-3), facts);
  EXPECT_EQ(verdict.relation, Relation::different_bases);
  EXPECT_NEAR(verdict.measures.compared_share, 0.25, 1e-12);
  EXPECT_EQ(judge(std::vector<TensorDelta>{}, facts).relation, Relation::different_bases);
}

TEST(Verdict, WarnsOfEverythingButASuccessor) {
  EXPECT_FALSE(judge(uniform_change(1e-3)).warns());
  for (const double relative : {0.0, 6e-3, 5e-2, 10.0}) {
    const Verdict verdict = judge(uniform_change(relative));
    EXPECT_TRUE(verdict.warns());
    EXPECT_FALSE(verdict.headline.empty());
    EXPECT_FALSE(verdict.evidence.empty());
    EXPECT_FALSE(verdict.advice.empty());
  }
}

TEST(Verdict, OfNothingCannotTell) {
  EXPECT_EQ(judge(std::vector<TensorDelta>{}).relation, Relation::cannot_tell);
}

TEST(Verdict, SaysWhatASampleAndQuantisationDoToIt) {
  PairFacts facts;
  facts.sampled = true;
  const Verdict same = judge(uniform_change(0), facts);
  EXPECT_EQ(same.relation, Relation::same_model);
  ASSERT_EQ(same.caveats.size(), 1u);
  EXPECT_NE(same.caveats[0].find("sample"), std::string::npos);
  facts.quantised = true;
  const Verdict noisy = judge(uniform_change(1e-3), facts);
  EXPECT_TRUE(std::ranges::any_of(noisy.caveats, [](const std::string& caveat) {
    return caveat.find("quantised") != std::string::npos;
  }));
}

}  // namespace
}  // namespace expo
