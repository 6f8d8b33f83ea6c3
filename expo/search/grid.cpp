#include "expo/search/spending.h"
#include "expo/search/strategies.h"

namespace expo {

Choice choose_by_grid(ScoreTable& table, const SearchOptions& options) {
  const std::vector<std::size_t> all = contenders(table);
  Spending spending(table, options.tokens, options.budget_part);
  spending.extend(all, table.rows());
  Choice choice;
  record(look_by_mean(table, all, all), options, choice);
  choice.chosen = best_by_mean(table, options, all);
  return choice;
}

}  // namespace expo
