#include "expo/training/loss/preference_loss.h"

#include <gtest/gtest.h>

#include <cmath>

namespace expo {
namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

PairLogProbs some_pair() {
  return {-31.5, -40.25, -30, -41, 12, 17};
}

TEST(PreferenceLoss, IsTheLogisticLossOfTheMargin) {
  const PairLoss pair = preference_loss({PreferenceLossKind::sigmoid, 0.5, 0}, some_pair());
  EXPECT_NEAR(pair.loss, -std::log(sigmoid(0.5 * (-1.5 - 0.75))), 1e-15);
  EXPECT_NEAR(pair.chosen_reward, -0.75, 1e-15);
  EXPECT_NEAR(pair.rejected_reward, 0.375, 1e-15);
}

TEST(PreferenceLoss, IsLogarithmOfTwoAtTheReference) {
  const PairLoss pair =
      preference_loss({PreferenceLossKind::sigmoid, 0.1, 0}, {-5, -6, -5, -6, 3, 4});
  EXPECT_DOUBLE_EQ(pair.loss, std::log(2.0));
  EXPECT_DOUBLE_EQ(pair.chosen_gradient, -0.05);
  EXPECT_DOUBLE_EQ(pair.rejected_gradient, 0.05);
}

TEST(PreferenceLoss, MixesTheFlippedLossWhereLabelsAreSmoothed) {
  const double z = 0.5 * -2.25;
  const double kept = -std::log(sigmoid(z));
  const double flipped = -std::log(sigmoid(-z));
  const PairLoss smooth = preference_loss({PreferenceLossKind::sigmoid, 0.5, 0.2}, some_pair());
  EXPECT_NEAR(smooth.loss, 0.8 * kept + 0.2 * flipped, 1e-15);
  const PairLoss robust = preference_loss({PreferenceLossKind::robust, 0.5, 0.2}, some_pair());
  EXPECT_NEAR(robust.loss, (0.8 * kept - 0.2 * flipped) / 0.6, 1e-15);
}

TEST(PreferenceLoss, StaysFiniteFarAway) {
  const PreferenceLoss loss{PreferenceLossKind::sigmoid, 1, 0};
  EXPECT_DOUBLE_EQ(preference_loss(loss, {-2000, 0, 0, 0, 1, 1}).loss, 2000);
  EXPECT_DOUBLE_EQ(preference_loss(loss, {0, -2000, 0, 0, 1, 1}).loss, 0);
}

/// The derivative against a difference of the loss itself.
TEST(PreferenceLoss, HasTheGradientOfItsLoss) {
  for (const PreferenceLoss& loss : {PreferenceLoss{PreferenceLossKind::sigmoid, 0.3, 0.1},
                                     PreferenceLoss{PreferenceLossKind::ipo, 0.3, 0},
                                     PreferenceLoss{PreferenceLossKind::robust, 0.3, 0.3}}) {
    const double h = 1e-5;
    PairLogProbs up = some_pair();
    PairLogProbs down = some_pair();
    up.chosen += h;
    down.chosen -= h;
    const PairLoss here = preference_loss(loss, some_pair());
    EXPECT_NEAR(here.chosen_gradient,
                (preference_loss(loss, up).loss - preference_loss(loss, down).loss) / (2 * h),
                1e-8);
    up = down = some_pair();
    up.rejected += h;
    down.rejected -= h;
    EXPECT_NEAR(here.rejected_gradient,
                (preference_loss(loss, up).loss - preference_loss(loss, down).loss) / (2 * h),
                1e-8);
  }
}

TEST(RankingLoss, CentresRewardsWhereAsked) {
  const RankingLoss plain = ranking_loss(1.5, 0.25, 0);
  EXPECT_NEAR(plain.loss, -std::log(sigmoid(1.25)), 1e-15);
  EXPECT_NEAR(plain.chosen_gradient, -sigmoid(-1.25), 1e-15);
  EXPECT_NEAR(plain.rejected_gradient, sigmoid(-1.25), 1e-15);
  const RankingLoss centred = ranking_loss(1.5, 0.25, 0.01);
  EXPECT_NEAR(centred.loss, plain.loss + 0.01 * 1.75 * 1.75, 1e-15);
  EXPECT_NEAR(centred.chosen_gradient, plain.chosen_gradient + 0.02 * 1.75, 1e-15);
}

}  // namespace
}  // namespace expo
