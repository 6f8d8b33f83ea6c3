#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "expo/search/means_belief.h"
#include "expo/search/score_table.h"

namespace expo {

/// What is believed of the true means of some candidates.
struct Belief : MeansBelief {
  /// A place on the curve of one family.
  struct Point {
    double alpha = 0;
    std::size_t family = 0;
  };

  std::vector<std::size_t> candidates;
  std::vector<Point> points;  ///< of the candidates, and then of the proposals
};

/// Estimates the means of the candidates that have scores, without those that are clearly behind
/// (by four standard errors), as a collapse at large α says nothing about the shape of the top.
/// Predicts those of `proposals` too, α that nobody has asked for yet; they come last and have no
/// number.
///
/// Scores are those of a two-way layout: a prompt's part, a candidate's mean, and a rest; so only
/// comparisons on common prompts count, and the candidates may have different numbers of prompts.
/// The means are a Gaussian process over log_place(α) with a Matérn kernel (3/2), so that
/// neighbours lend each other strength as far as the scores themselves say that they are alike:
/// reach and size of the variation are averaged over their likelihood. Families have curves of
/// their own. There may be any number of peaks. Rasmussen & Williams, "Gaussian Processes for
/// Machine Learning" (2006), chapters 2 and 5.
Belief believe(const ScoreTable& table, std::span<const std::size_t> candidates,
               std::span<const Belief::Point> proposals = {});

}  // namespace expo
