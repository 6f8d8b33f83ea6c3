#include "expo/cli/text/evaluation_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/text.h"

namespace expo {
namespace {

std::size_t width_of(const std::string& name) {
  return count_characters(on_one_line(name));
}

/// The name in a column of this width; fmt counts the columns of wide characters differently.
std::string name_column(const std::string& name, std::size_t width) {
  return on_one_line(name) + std::string(width - std::min(width, width_of(name)), ' ');
}

std::string shown(const LeaderboardRow& row, std::size_t width) {
  return fmt::format(
      "{}  {:>7.2f} ± {:<5.2f}  {:>8.2f}  {:>7.2f} ({:.2f} to {:.2f})  {:>8}  {:>5}\n",
      name_column(row.model, width), row.wins.win_rate, row.wins.standard_error,
      row.wins.discrete_win_rate, row.controlled.win_rate, row.interval.first, row.interval.second,
      row.mean_length, row.rows);
}

/// How the regularisation of the fit was chosen.
std::string fit_sentence(const LeaderboardRow& row) {
  const char* how = row.controlled.choice == RegularisationChoice::given ? "as given"
                    : row.controlled.choice == RegularisationChoice::cross_validated
                        ? "chosen by cross-validation"
                        : "the most frequent choice of published fits";
  return fmt::format("length control with C = {:.4g}, {}", row.controlled.regularisation, how);
}

/// What is to be said of the models, once where it is the same of all.
std::string sentences(const std::vector<LeaderboardRow>& rows) {
  std::vector<std::pair<std::string, std::vector<std::string>>> said;
  const auto add = [&](const std::string& sentence, const std::string& model) {
    const auto same =
        std::ranges::find(said, sentence, &std::pair<std::string, std::vector<std::string>>::first);
    if (same == said.end()) {
      said.push_back({sentence, {model}});
    } else {
      same->second.push_back(model);
    }
  };
  for (const LeaderboardRow& row : rows) {
    if (!row.is_baseline) add(fit_sentence(row), row.model);
    for (const std::string& note : row.notes) add(note, row.model);
  }
  std::string text;
  for (const auto& [sentence, models] : said) {
    std::string whose;
    if (models.size() < rows.size())
      for (const std::string& model : models) whose += on_one_line(model) + ": ";
    text += whose + sentence + "\n";
  }
  return text;
}

std::string difference(const char* name, double first, double second, const RateDifference& rate) {
  return fmt::format("{:<17}  {:>8.2f}  {:>8.2f}  {:>+8.2f} ({:+.2f} to {:+.2f})\n", name, first,
                     second, rate.difference, rate.interval.first, rate.interval.second);
}

}  // namespace

std::string describe(const std::vector<LeaderboardRow>& rows) {
  std::size_t width = width_of("model");
  for (const LeaderboardRow& row : rows) width = std::max(width, width_of(row.model));
  std::string text =
      fmt::format("{}  {:>15}  {:>8}  {:<23}  {:>8}  {:>5}\n", name_column("model", width),
                  "win rate", "discrete", "length-controlled (95 %)", "length", "rows");
  for (const LeaderboardRow& row : rows) text += shown(row, width);
  return text + sentences(rows);
}

std::string describe(const Comparison& comparison) {
  const LeaderboardRow& first = comparison.first;
  const LeaderboardRow& second = comparison.second;
  return fmt::format("first: {}\nsecond: {}\n", on_one_line(first.model),
                     on_one_line(second.model)) +
         fmt::format("{:<17}  {:>8}  {:>8}  {}\n", "", "first", "second", "difference (95 %)") +
         difference("win rate", first.wins.win_rate, second.wins.win_rate, comparison.win_rate) +
         difference("length-controlled", first.controlled.win_rate, second.controlled.win_rate,
                    comparison.controlled_win_rate) +
         fmt::format("{} of both, {}\n", counted(first.rows, "row"),
                     counted(first.resamples, "resample")) +
         sentences({first, second});
}

}  // namespace expo
