#pragma once

// What the replays of searches share.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/search/prompt_split.h"
#include "expo/search/score_table.h"

namespace expo {

/// Of which regret is a share where α = 0 is best.
inline constexpr double kNominalGain = 0.09;
inline const std::vector<double> kAlphas{-1, 0, 0.1, 0.2, 0.35, 0.7, 1, 2, 4, 8, 16, 25};

inline std::size_t number_of(const ScoreSource& source, double alpha) {
  for (std::size_t i = 0; i < source.candidates().size(); ++i) {
    if (source.candidates()[i].alpha == alpha) return i;
  }
  throw input_error(fmt::format("there is no candidate with α = {}", alpha));
}

inline std::vector<std::size_t> all_of(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

/// The tokens of all candidates on all prompts.
inline std::uint64_t full_price(ScoreSource& source) {
  ScoreTable table(source, all_of(source.prompts()));
  table.ask(all_of(source.candidates().size()), source.prompts());
  return table.tokens();
}

inline PromptSplit split_of(const ScoreSource& source, std::uint64_t seed) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < source.prompts(); ++i) texts.push_back(fmt::format("{} {}", seed, i));
  return split_prompts(texts);
}

}  // namespace expo
