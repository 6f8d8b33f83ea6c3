#include "expo/search/modules/module_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "expo/search/modules/module_model.h"
#include "expo/search/spending.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {

// All of these are what did best in replays (bench/module_replay); none is a promise.
constexpr std::size_t kLooks = 3;  // each spends the same
constexpr double kStep = 0.8;      // of the logarithms to the base 2 of the multipliers
constexpr double kSlopeStep = 0.6;
constexpr double kFarthest = 1.7;      // for any coordinate
constexpr std::size_t kFresh = 3;      // new points for a look
constexpr double kCovered = 0.9;       // chance that the best one stays
constexpr std::size_t kMostAlive = 4;  // that this share may leave
constexpr double kNear = 2.5;  // distance of uniform α that tell of the start's surroundings
static_assert(kMostModulePoints == 8 + (kLooks - 1) * kFresh);

double step_of(std::size_t coordinate) {
  return coordinate == 3 ? kSlopeStep : kStep;
}

/// The half fraction of the two-level design: the slope is low or high by the product of the signs
/// of the others.
std::vector<ModulePlace> first_design() {
  std::vector<ModulePlace> places;
  for (int bits = 0; bits < 8; ++bits) {
    ModulePlace place{};
    double product = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      const double sign = (bits >> i) % 2 == 0 ? -1 : 1;
      place[i] = sign * step_of(i);
      product *= sign;
    }
    place[3] = product * step_of(3);
    places.push_back(place);
  }
  return places;
}

/// All places with each coordinate one step down, as it is, or one step up.
std::vector<ModulePlace> around(const ModulePlace& centre) {
  constexpr int kPlaces = 81;
  std::vector<ModulePlace> places;
  for (int number = 0; number < kPlaces; ++number) {
    ModulePlace place = centre;
    int rest = number;
    for (std::size_t i = 0; i < place.size(); ++i, rest /= 3) {
      place[i] += (rest % 3 - 1) * step_of(i);
    }
    const bool is_near = std::all_of(place.begin(), place.end(),
                                     [](double each) { return std::abs(each) <= kFarthest; });
    if (is_near) places.push_back(place);
  }
  return places;
}

class ModuleRace {
 public:
  ModuleRace(ScoreTable& table, std::size_t start, const SearchOptions& options)
      : table_(table),
        start_(start),
        options_(options),
        spending_(table, options.tokens),
        screening_(table, spending_, options.baseline, options.on_collapsed) {
    for (std::size_t i = 0; i < table.candidates().size(); ++i) {
      if (is_neighbour(i)) all_.push_back(i);
    }
    alive_ = {start};
  }

  Choice run() {
    choice_.chosen = start_;
    if (!place_of(table_, start_, start_)) return choice_;
    std::vector<std::size_t> fresh = made_at(first_design());
    alive_.insert(alive_.end(), fresh.begin(), fresh.end());
    if (fresh.size() < kFewestModulePoints || !can_afford()) return choice_;
    alive_ = {start_};
    admit(std::move(fresh));
    for (std::size_t look = 0; look < kLooks; ++look) {
      extend(look);
      learn(look + 1 == kLooks);
    }
    choice_.chosen = winner();
    choice_.tokens = spending_.spent();
    return choice_;
  }

 private:
  /// Uniform α near the start, whose scores are there already.
  bool is_neighbour(std::size_t candidate) const {
    const auto place = place_of(table_, candidate, start_);
    return place && !table_.candidates()[candidate].modules && std::abs((*place)[0]) <= kNear &&
           !table_.of(candidate).empty();
  }

  /// The candidates at these places that are new, and that the source can make.
  std::vector<std::size_t> made_at(const std::vector<ModulePlace>& places) const {
    std::vector<std::size_t> fresh;
    for (const ModulePlace& place : places) {
      const auto made = table_.source().module_candidate(point_at(place), start_);
      if (!made || screening_.has_dropped(*made)) continue;
      if (std::find(all_.begin(), all_.end(), *made) == all_.end()) fresh.push_back(*made);
    }
    return fresh;
  }

  /// Takes part from here on, unless its first answers collapse: α are largest here.
  void admit(std::vector<std::size_t> fresh) {
    if (options_.screen && !fresh.empty())
      fresh = screening_.pass(fresh, kLooks, table_.rows() >> (kLooks - 1));
    for (std::vector<std::size_t>* each : {&all_, &alive_})
      each->insert(each->end(), fresh.begin(), fresh.end());
  }

  std::size_t end_of(std::size_t look) const {
    if (!options_.tokens)
      return std::min(table_.rows(),
                      std::max(kFewestModuleRows, table_.rows() >> (kLooks - 1 - look)));
    const double share = spending_.left() / static_cast<double>(kLooks - look);
    return spending_.reach(alive_, share);
  }

  bool can_afford() const { return end_of(0) >= kFewestModuleRows; }

  void extend(std::size_t look) { spending_.extend(alive_, end_of(look)); }

  std::vector<std::size_t> considered() const {
    std::vector<std::size_t> result;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(result), [&](std::size_t each) {
      return each == start_ || !is_clearly_out(table_, options_, each);
    });
    return result;
  }

  /// Places near what is believed to be best, which nobody has asked for yet.
  std::vector<ModulePlace> proposals() const {
    const ModuleBelief now = believe_modules(table_, considered(), start_);
    const auto best = std::max_element(now.mean.begin(), now.mean.end()) - now.mean.begin();
    std::vector<ModulePlace> fresh;
    for (const ModulePlace& place : around(now.places[static_cast<std::size_t>(best)])) {
      const ModulePoint point = point_at(place);
      const auto is_same = [&](const ModulePlace& other) { return point_at(other) == point; };
      if (std::none_of(now.places.begin(), now.places.end(), is_same) &&
          std::none_of(fresh.begin(), fresh.end(), is_same))
        fresh.push_back(place);
    }
    return fresh;
  }

  /// Keeps the points with the best chances, and adds new ones, unless this was the last look.
  void learn(bool is_last) {
    const std::vector<ModulePlace> places = is_last ? std::vector<ModulePlace>{} : proposals();
    const ModuleBelief belief = believe_modules(table_, considered(), start_, places);
    const std::vector<double> chances = belief.chances_of_best();
    std::vector<std::size_t> order(chances.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
      return chances[left] > chances[right];
    });
    std::vector<std::size_t> next{start_};
    std::vector<ModulePlace> fresh;
    double covered = 0;
    for (const std::size_t i : order) {
      const bool is_known = i < belief.candidates.size();
      if (is_known && covered < kCovered && next.size() <= kMostAlive) {
        if (can_stay(belief.candidates[i])) next.push_back(belief.candidates[i]);
      } else if (!is_known && fresh.size() < kFresh && covered < kCovered) {
        fresh.push_back(belief.places[i]);
      }
      covered += chances[i];
    }
    record_look(belief, chances, is_last ? alive_ : next);
    if (is_last) return;
    alive_ = next;
    admit(made_at(fresh));
  }

  bool can_stay(std::size_t candidate) const {
    return candidate != start_ && table_.candidates()[candidate].modules.has_value();
  }

  void record_look(const ModuleBelief& belief, const std::vector<double>& chances,
                   const std::vector<std::size_t>& alive) {
    Look look = look_by_mean(table_, all_, alive);
    for (LookEntry& entry : look.entries) {
      const auto at =
          std::find(belief.candidates.begin(), belief.candidates.end(), entry.candidate);
      if (at == belief.candidates.end()) continue;
      const auto i = static_cast<std::size_t>(at - belief.candidates.begin());
      entry.belief = belief.mean[i];
      entry.chance = chances[i];
    }
    record(std::move(look), options_, choice_);
  }

  /// The point with the best belief among those that were asked and violate no guard, or the start.
  std::size_t winner() const {
    const ModuleBelief belief = believe_modules(table_, considered(), start_);
    std::size_t best = start_;
    double most = -INFINITY;
    for (std::size_t i = 0; i < belief.candidates.size(); ++i) {
      const std::size_t each = belief.candidates[i];
      if (each == start_) most = std::max(most, belief.mean[i]);
    }
    for (std::size_t i = 0; i < belief.candidates.size(); ++i) {
      const std::size_t each = belief.candidates[i];
      if (belief.mean[i] <= most || !can_stay(each) || !is_eligible(table_, options_, each))
        continue;
      most = belief.mean[i];
      best = each;
    }
    return best;
  }

  ScoreTable& table_;
  std::size_t start_;
  const SearchOptions& options_;
  Spending spending_;
  Screening screening_;
  std::vector<std::size_t> all_;    ///< that the belief rests on
  std::vector<std::size_t> alive_;  ///< that are asked on
  Choice choice_;
};

}  // namespace

Choice choose_modules(ScoreTable& table, std::size_t start, const SearchOptions& options) {
  return ModuleRace(table, start, options).run();
}

}  // namespace expo
