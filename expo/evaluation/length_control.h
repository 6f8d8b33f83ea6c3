#pragma once

#include <optional>
#include <span>
#include <vector>

#include "expo/evaluation/logistic_fit.h"
#include "expo/evaluation/reference_data.h"

namespace expo {

/// What the length-controlled win rate needs of an annotation.
struct ControlledRow {
  double length_difference = 0;  ///< the baseline's length minus the model's
  /// preference − 1: 0 the baseline wins, 1 the model wins. None where the judge failed.
  std::optional<double> label = 0;
  double difficulty = 0;  ///< of the instruction; 0 where difficulties are left out
};

/// How the regularisation of a fit came about.
enum class RegularisationChoice {
  given,            ///< by the caller
  cross_validated,  ///< on the rows of the fit
  published,  ///< the most frequent choice of the published fits, where only sums of the gamed
              ///< rows are known
};

/// A length-controlled win rate and the fit that it comes from.
struct ControlledWinRate {
  double win_rate = 0;        ///< in percent
  double regularisation = 0;  ///< liblinear's C
  RegularisationChoice choice = RegularisationChoice::given;
  LogisticProblem::Features coefficients{};  ///< of length, difficulty and constant
  /// False if every answer differs from the baseline's by the same length: then nothing is known of
  /// the effect of length, and none is taken out.
  bool lengths_vary = false;
};

/// AlpacaEval's length-controlled win rate (Dubois et al. 2024, "Length-controlled AlpacaEval"):
/// the mean over instructions of the preference that a logistic model predicts where both answers
/// are equally long. The model's features are tanh(Δlength / standard deviation), the difficulty,
/// and a constant; the gamed rows, of weight 0.2 / 2 each and without the constant, are fitted with
/// the model's own. A row without a label has no part in the fit, but in the standard deviation
/// and in the mean, as in AlpacaEval. Immutable and thread-safe.
class LengthControl {
 public:
  /// Takes at least two rows with a label. Without `gamed` there are no gamed rows. Without
  /// `regularisation`, it is chosen by five-fold cross-validation among 10^(−4 + 8k/9), k = 0 … 9,
  /// or is the published one if the preferences of the gamed rows are not known.
  LengthControl(std::vector<ControlledRow> rows, std::optional<GamedRows> gamed,
                std::optional<double> regularisation);

  const ControlledWinRate& result() const { return result_; }

  /// The length-controlled win rate, in percent, if each row occurs so many times (one with a
  /// label at least once): everything but the regularisation is computed again. The gamed rows stay
  /// as they are.
  double resampled_win_rate(std::span<const double> counts) const;

 private:
  struct Fit;
  Fit fit(std::span<const double> counts, const LogisticProblem::Features& start) const;
  double cross_validated() const;

  std::vector<ControlledRow> rows_;
  std::optional<GamedRows> gamed_;
  ControlledWinRate result_;
};

}  // namespace expo
