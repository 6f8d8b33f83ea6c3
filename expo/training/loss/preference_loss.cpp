#include "expo/training/loss/preference_loss.h"

#include <algorithm>
#include <cmath>

namespace expo {
namespace {

double log_sigmoid(double x) {
  return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x)));
}

double sigmoid(double x) {
  return std::exp(log_sigmoid(x));
}

/// The loss as a function of the margin z, and its derivative.
struct Value {
  double loss;
  double slope;
};

/// Returns keep·(−log σ(z)) + flip·(−log σ(−z)).
Value smoothed(double z, double keep, double flip) {
  return {-keep * log_sigmoid(z) - flip * log_sigmoid(-z), -keep * sigmoid(-z) + flip * sigmoid(z)};
}

Value margin_loss(const PreferenceLoss& loss, double z) {
  const double e = loss.label_smoothing;
  if (loss.kind == PreferenceLossKind::robust)
    return smoothed(z, (1 - e) / (1 - 2 * e), -e / (1 - 2 * e));
  return smoothed(z, 1 - e, e);
}

}  // namespace

PairLoss preference_loss(const PreferenceLoss& loss, const PairLogProbs& pair) {
  const double chosen = pair.chosen - pair.reference_chosen;
  const double rejected = pair.rejected - pair.reference_rejected;
  PairLoss result;
  result.chosen_reward = loss.beta * chosen;
  result.rejected_reward = loss.beta * rejected;
  if (loss.kind == PreferenceLossKind::ipo) {
    const auto chosen_tokens = static_cast<double>(std::max<std::int64_t>(pair.chosen_tokens, 1));
    const auto rejected_tokens =
        static_cast<double>(std::max<std::int64_t>(pair.rejected_tokens, 1));
    const double distance =
        chosen / chosen_tokens - rejected / rejected_tokens - 1 / (2 * loss.beta);
    result.loss = distance * distance;
    result.chosen_gradient = 2 * distance / chosen_tokens;
    result.rejected_gradient = -2 * distance / rejected_tokens;
    return result;
  }
  const Value value = margin_loss(loss, loss.beta * (chosen - rejected));
  result.loss = value.loss;
  result.chosen_gradient = loss.beta * value.slope;
  result.rejected_gradient = -loss.beta * value.slope;
  return result;
}

RankingLoss ranking_loss(double chosen, double rejected, double centring) {
  const Value value = smoothed(chosen - rejected, 1, 0);
  const double sum = chosen + rejected;
  return {value.loss + centring * sum * sum, value.slope + 2 * centring * sum,
          -value.slope + 2 * centring * sum};
}

}  // namespace expo
