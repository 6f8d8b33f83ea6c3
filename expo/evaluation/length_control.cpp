#include "expo/evaluation/length_control.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace expo {
namespace {

using Features = LogisticProblem::Features;

constexpr double kGamedWeight = 0.2 / 2;  // AlpacaEval's weight, shared by the two gamed models
constexpr int kExponents = 10;
constexpr std::size_t kFolds = 5;

/// The k-th of the candidates for liblinear's C.
double candidate(int k) {
  return std::pow(10.0, -4 + 8.0 * k / (kExponents - 1));
}

/// The choice of half of the published fits, 21.544.
double published_choice() {
  return candidate(6);
}

/// 1 / (standard deviation, with n − 1) of the differences of length; 0 if they are all equal.
double length_scale(std::span<const ControlledRow> rows, std::span<const double> counts) {
  double count = 0;
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    count += counts[i];
    sum += counts[i] * rows[i].length_difference;
  }
  double squares = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double distance = rows[i].length_difference - sum / count;
    squares += counts[i] * distance * distance;
  }
  return squares > 0 ? std::sqrt((count - 1) / squares) : 0;
}

Features features_of(const ControlledRow& row, double scale) {
  return {std::tanh(row.length_difference * scale), row.difficulty, 1};
}

Features features_of(const GamedRows::Features& row) {
  return {row[0], row[1], 0};
}

/// A row of a cross-validation.
struct Labelled {
  Features features{};
  double weight = 0;
  double label = 0;
};

/// −log of the chance that the model gives to the label, clipped as AlpacaEval does.
double log_loss(const Labelled& row, const Features& coefficients) {
  constexpr double kClip = 1e-15;
  const double chance = std::clamp(sigmoid(dot(row.features, coefficients)), kClip, 1 - kClip);
  return -row.weight * (row.label * std::log(chance) + (1 - row.label) * std::log1p(-chance));
}

/// Cross-validation of the candidates with row i in fold (n − 1 − i) mod folds, which is how
/// scikit-learn deals out groups of equal size, up to the order in which it sorts equal ones.
class CrossValidation {
 public:
  explicit CrossValidation(std::vector<Labelled> rows)
      : rows_(std::move(rows)), folds_(std::min(kFolds, rows_.size())) {}

  /// The candidate with the least loss; the smallest of equal ones.
  double best() const {
    std::array<double, kExponents> losses{};
    for (std::size_t fold = 0; fold < folds_; ++fold) add_losses(fold, losses);
    const auto least = std::ranges::min_element(losses);
    return candidate(static_cast<int>(least - losses.begin()));
  }

 private:
  bool is_in(std::size_t row, std::size_t fold) const {
    return (rows_.size() - 1 - row) % folds_ == fold;
  }

  void add_losses(std::size_t fold, std::array<double, kExponents>& losses) const {
    LogisticProblem training;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (!is_in(i, fold)) training.add(rows_[i].features, rows_[i].weight, rows_[i].label);
    Features coefficients{};
    for (int k = 0; k < kExponents; ++k) {
      coefficients = fit_logistic(training, candidate(k), coefficients);
      losses[static_cast<std::size_t>(k)] += mean_loss(fold, coefficients);
    }
  }

  double mean_loss(std::size_t fold, const Features& coefficients) const {
    double sum = 0;
    double count = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!is_in(i, fold)) continue;
      sum += log_loss(rows_[i], coefficients);
      ++count;
    }
    return sum / count;
  }

  std::vector<Labelled> rows_;
  std::size_t folds_;
};

}  // namespace

struct LengthControl::Fit {
  Features coefficients{};
  double win_rate = 0;
  bool lengths_vary = false;
};

LengthControl::LengthControl(std::vector<ControlledRow> rows, std::optional<GamedRows> gamed,
                             std::optional<double> regularisation)
    : rows_(std::move(rows)), gamed_(std::move(gamed)) {
  if (regularisation) {
    result_.regularisation = *regularisation;
  } else if (gamed_ && gamed_->preferences.empty()) {
    result_.choice = RegularisationChoice::published;
    result_.regularisation = published_choice();
  } else {
    result_.choice = RegularisationChoice::cross_validated;
    result_.regularisation = cross_validated();
  }
  const Fit once = fit(std::vector<double>(rows_.size(), 1.0), {});
  result_.coefficients = once.coefficients;
  result_.win_rate = once.win_rate;
  result_.lengths_vary = once.lengths_vary;
}

double LengthControl::cross_validated() const {
  std::vector<Labelled> labelled;
  if (gamed_) {
    for (std::size_t i = 0; i < gamed_->rows.size(); ++i)
      labelled.push_back({features_of(gamed_->rows[i]), kGamedWeight, gamed_->preferences[i]});
  }
  const double scale = length_scale(rows_, std::vector<double>(rows_.size(), 1.0));
  for (const ControlledRow& row : rows_)
    if (row.label) labelled.push_back({features_of(row, scale), 1, *row.label});
  return CrossValidation(std::move(labelled)).best();
}

LengthControl::Fit LengthControl::fit(std::span<const double> counts, const Features& start) const {
  LogisticProblem problem;
  const double scale = length_scale(rows_, counts);
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (counts[i] > 0 && rows_[i].label)
      problem.add(features_of(rows_[i], scale), counts[i], *rows_[i].label);
  if (gamed_) {
    for (const auto& row : gamed_->rows) problem.add(features_of(row), kGamedWeight);
    for (std::size_t j = 0; j < gamed_->sums.size(); ++j)
      problem.label_sums[j] += kGamedWeight * gamed_->sums[j];
  }
  Fit result{.coefficients = fit_logistic(problem, result_.regularisation, start),
             .lengths_vary = scale > 0};
  double sum = 0;
  double count = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (counts[i] == 0) continue;
    sum +=
        counts[i] * sigmoid(result.coefficients[1] * rows_[i].difficulty + result.coefficients[2]);
    count += counts[i];
  }
  result.win_rate = 100 * sum / count;
  return result;
}

double LengthControl::resampled_win_rate(std::span<const double> counts) const {
  return fit(counts, result_.coefficients).win_rate;
}

}  // namespace expo
