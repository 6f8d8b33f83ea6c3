#pragma once

#include <cstddef>

#include "expo/search/strategy.h"

namespace expo {

/// What takes part in a search, as far as that is known before it begins.
struct Contest {
  Strategy strategy = Strategy::race;
  std::size_t alphas = 0;           ///< of 0 or more, of all models
  std::size_t models = 1;           ///< that are extrapolated
  bool has_rival = false;           ///< a further model, which the chosen α is compared with
  bool has_other_baseline = false;  ///< it is compared with one of the models, but not the first
  bool has_control = true;          ///< α = −1
  std::size_t module_points = 0;    ///< most points of a search for modules that follows
};

/// How many answers to a prompt a search asks for, besides that at α = 0 of the first model, which
/// all others are compared with.
struct ExpectedAnswers {
  double likely = 0;     ///< by experience; of no account for any decision
  std::size_t most = 0;  ///< whatever the scores turn out to be
};

/// Of the prompt with this place in the choosing part.
ExpectedAnswers expected_in_choice(const Contest& contest, std::size_t place);
/// Of a prompt of the confirming part.
ExpectedAnswers expected_in_confirmation(const Contest& contest);

}  // namespace expo
