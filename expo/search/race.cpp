#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "expo/search/alpha_model.h"
#include "expo/search/spending.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {
double env(const char* n, double d) {
  const char* v = std::getenv(n);
  return v ? std::atof(v) : d;
}

std::size_t end_for(const ScoreTable& table, const Spending& spending,
                    const std::vector<std::size_t>& alive, double tokens) {
  std::size_t end = 0;
  while (end < table.prompts() && spending.price(alive, end + 1) <= tokens) ++end;
  return end;
}
}  // namespace

Choice choose_by_race(ScoreTable& table, const SearchOptions& options) {
  std::vector<std::size_t> all = contenders(table);
  std::vector<std::size_t> alive = all;
  Spending spending(table, options.tokens);
  Choice choice;
  const int looks = static_cast<int>(env("LOOKS", 4));
  const double cover = env("COVER", 0.97);
  const double keep = env("KEEP", 0.6);
  const double first = env("FIRST", 1.0);
  table.ask(alive, 1);
  Belief belief;
  for (int look = 0; look < looks; ++look) {
    double share = spending.left() / (looks - look);
    if (look == 0) share *= first;
    std::size_t end;
    if (options.tokens)
      end = end_for(table, spending, alive, share);
    else
      end = table.prompts() >> (looks - 1 - look);
    spending.extend(alive, end);
    belief = believe(table, all);
    const auto chances = belief.chances_of_best();
    std::vector<std::size_t> order(all.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return chances[a] > chances[b]; });
    std::vector<std::size_t> next{options.baseline};
    double mass = 0;
    const std::size_t most = static_cast<std::size_t>(std::ceil(keep * alive.size()));
    for (auto i : order) {
      if (mass >= cover || next.size() >= std::max<std::size_t>(most, 3)) break;
      mass += chances[i];
      if (std::find(alive.begin(), alive.end(), belief.candidates[i]) == alive.end()) continue;
      if (belief.candidates[i] != options.baseline) next.push_back(belief.candidates[i]);
    }
    Look l;
    l.tokens = table.tokens();
    for (std::size_t i = 0; i < all.size(); ++i)
      l.entries.push_back({all[i], table.of(all[i]).size(), mean_score(table, all[i]),
                           belief.mean[i], chances[i],
                           std::find(next.begin(), next.end(), all[i]) != next.end()});
    choice.looks.push_back(l);
    alive = next;
  }
  double best = -INFINITY;
  choice.chosen = options.baseline;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (is_eligible(table, options, all[i]) && belief.mean[i] > best)
      best = belief.mean[i], choice.chosen = all[i];
  return choice;
}

}  // namespace expo
