// What an objective declares is what it gives, and what a run logs.
#include "expo/training/loss/metric_sums.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "expo/training/loss/objective.h"
#include "expo/training/run/judgement.h"

namespace expo {
namespace {

constexpr std::string_view kNames[] = {"loss", "accuracy"};

TEST(MetricSums, AddsWhatEachExampleGives) {
  MetricSums sums(kNames);
  for (const double value : {1.0, 2.5}) {
    sums.add("accuracy", 10 * value);
    sums.add("loss", value);
    sums.end_example();
  }
  EXPECT_EQ(std::vector(sums.sums().begin(), sums.sums().end()), (std::vector<double>{3.5, 35}));
}

TEST(MetricSums, RefusesANameThatWasNotDeclared) {
  MetricSums sums(kNames);
  EXPECT_THROW(sums.add("margin", 1), std::logic_error);
}

TEST(MetricSums, RefusesANameThatComesTwice) {
  MetricSums sums(kNames);
  sums.add("loss", 1);
  EXPECT_THROW(sums.add("loss", 1), std::logic_error);
}

TEST(MetricSums, RefusesAnExampleWithoutOneOfThem) {
  MetricSums sums(kNames);
  sums.add("loss", 1);
  EXPECT_THROW(sums.end_example(), std::logic_error);
}

/// Gives the loss, and under each further name 7.
class SomeObjective final : public Objective {
 public:
  explicit SomeObjective(std::vector<std::string_view> further) : further_(std::move(further)) {}
  std::span<const std::string_view> metrics() const override { return kNames; }
  double weight(const Example&) const override { return 1; }
  void judge(const Example&, std::span<const double>, std::span<const std::int64_t>,
             std::span<double> gradients, MetricSums& sums) const override {
    gradients[0] = 1;
    sums.add("loss", 5);
    for (const std::string_view name : further_) sums.add(name, 7);
  }

 private:
  std::vector<std::string_view> further_;
};

void judge_two(Judgement& judgement) {
  const Example one{{token_row({1, 2}, {false, true})}, "row", {}};
  const std::vector<const Example*> examples = {&one, &one};
  judgement.add(examples, std::vector<double>{1, 1}, std::vector<std::int64_t>{1, 1});
}

TEST(Judgement, GivesTheMeanOfEveryDeclaredMetric) {
  const SomeObjective objective({"accuracy"});
  Judgement judgement(objective);
  judge_two(judgement);
  const auto ranks = single_rank();
  const Evaluation evaluation = judgement.combine(*ranks, 4);
  EXPECT_EQ(evaluation.metrics, (std::map<std::string, double>{{"accuracy", 3.5}, {"loss", 2.5}}));
  EXPECT_EQ(evaluation.tokens, 4);
}

TEST(Judgement, LosesNoMetricOfAnObjective) {
  for (const std::vector<std::string_view>& further :
       {std::vector<std::string_view>{}, {"accuracy", "margin"}}) {
    const SomeObjective objective(further);
    Judgement judgement(objective);
    EXPECT_THROW(judge_two(judgement), std::logic_error);
  }
}

/// What TRL logs for each method.
TEST(Objectives, NameTheirMetricsAsTrlDoes) {
  const auto names = [](const Objective& objective) {
    const auto all = objective.metrics();
    return std::vector<std::string>(all.begin(), all.end());
  };
  EXPECT_EQ(names(SftObjective()), (std::vector<std::string>{"loss"}));
  EXPECT_EQ(names(RewardObjective(0)),
            (std::vector<std::string>{"loss", "rewards/chosen", "rewards/rejected",
                                      "rewards/margins", "rewards/accuracies"}));
  EXPECT_EQ(
      names(DpoObjective({})),
      (std::vector<std::string>{"loss", "rewards/chosen", "rewards/rejected", "rewards/margins",
                                "rewards/accuracies", "logps/chosen", "logps/rejected"}));
}

}  // namespace
}  // namespace expo
