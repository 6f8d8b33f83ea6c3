#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "expo/search/alpha_model.h"
#include "expo/search/proposals.h"
#include "expo/search/spending.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {

// All of these are what did best in replays (bench/search_replay.cpp); none is a promise.
constexpr std::size_t kLooks = 4;         // each spends the same
constexpr std::size_t kLaterLooks = 3;    // for what they leave
constexpr std::size_t kRefining = 2;      // the look after which the neighbourhood is refined
constexpr std::size_t kRefinedRows = 64;  // with fewer, further α only spread the tokens thinner
constexpr double kCovered = 0.97;         // chance that the best one stays
constexpr double kKept = 0.75;            // of the candidates, at most
constexpr std::size_t kFewest = 3;        // that this share may leave
constexpr std::size_t kFirstRows = 2;     // that every candidate gets

class Race {
 public:
  Race(ScoreTable& table, const SearchOptions& options)
      : table_(table),
        options_(options),
        spending_(table, options.tokens, options.budget_part),
        screening_(table, spending_, options.baseline, options.on_collapsed) {
    all_ = alive_ = contenders(table);
  }

  Choice run() {
    if (options_.screen) {
      const std::size_t first_end = table_.rows() >> (kLooks - 1);
      all_ = alive_ = screening_.pass(alive_, kLooks, first_end);
    }
    spending_.extend(alive_, kFirstRows);
    for (std::size_t look = 0; look < kLooks; ++look) {
      extend(look);
      const bool is_last = look + 1 == kLooks;
      learn(is_last ? alive_ : survivors());
      if (look == kRefining - 1 && options_.refine &&
          table_.of(alive_.back()).size() >= kRefinedRows)
        refine();
    }
    if (options_.tokens) spend_the_rest();
    choice_.chosen = winner();
    choice_.collapsed = screening_.collapsed();
    return choice_;
  }

 private:
  /// Takes the candidates that are alive as far as this look's share of the budget reaches.
  void extend(std::size_t look) {
    std::size_t end = table_.rows() >> (kLooks - 1 - look);
    if (options_.tokens) {
      const double share = spending_.left() / static_cast<double>(kLooks - look);
      end = spending_.reach(alive_, share);
    }
    spending_.extend(alive_, end);
    if (look == 0 && options_.control) {
      spending_.extend(std::vector{*options_.control}, std::min(end, kControlRows));
    }
    believe_again();
  }

  /// A candidate that guards rule out must not make those look hopeless that may win.
  std::vector<std::size_t> considered() const {
    std::vector<std::size_t> result;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(result),
                 [&](std::size_t candidate) { return !is_out(candidate); });
    return result;
  }

  void believe_again() {
    belief_ = believe(table_, considered());
    chances_ = belief_.chances_of_best();
  }

  /// Numbers of the belief, those with the best chances first.
  std::vector<std::size_t> by_chance() const {
    std::vector<std::size_t> order(belief_.candidates.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
      return chances_[left] > chances_[right];
    });
    return order;
  }

  /// The baseline and the most promising others.
  std::vector<std::size_t> survivors() const {
    const auto kept =
        static_cast<std::size_t>(std::ceil(kKept * static_cast<double>(alive_.size())));
    const std::size_t most = std::max(kFewest, kept);
    std::vector<std::size_t> next{options_.baseline};
    double covered = 0;
    for (const std::size_t i : by_chance()) {
      if (covered >= kCovered || next.size() >= most) break;
      covered += chances_[i];
      const std::size_t candidate = belief_.candidates[i];
      if (candidate != options_.baseline && !is_out(candidate)) next.push_back(candidate);
    }
    return next;
  }

  bool is_out(std::size_t candidate) const { return is_clearly_out(table_, options_, candidate); }

  /// Records the look, and goes on with the survivors.
  void learn(std::vector<std::size_t> survivors) {
    Look look = look_by_mean(table_, all_, survivors);
    for (LookEntry& entry : look.entries) {
      const auto at =
          std::find(belief_.candidates.begin(), belief_.candidates.end(), entry.candidate);
      if (at == belief_.candidates.end()) continue;
      const auto place = static_cast<std::size_t>(at - belief_.candidates.begin());
      entry.belief = belief_.mean[place];
      entry.chance = chances_[place];
    }
    record(std::move(look), options_, choice_);
    alive_ = std::move(survivors);
  }

  /// Asks the source for α between the leader and its neighbours that have a better chance than the
  /// weakest survivor, and beyond the range if the leader stands at its end.
  void refine() {
    const std::size_t leader = best_of(belief_);
    const Candidate leading = table_.candidates()[leader];
    std::vector<double> alphas;
    for (const std::size_t candidate : all_) {
      const Candidate& other = table_.candidates()[candidate];
      if (other.family == leading.family) alphas.push_back(other.alpha);
    }
    for (const Collapsed& each : screening_.collapsed()) {
      const Candidate& other = table_.candidates()[each.candidate];
      if (other.family == leading.family) alphas.push_back(other.alpha);
    }
    std::vector<Belief::Point> proposals;
    for (const double alpha : between_neighbours(alphas, leading.alpha)) {
      proposals.push_back({alpha, leading.family});
    }
    const Belief wider = believe(table_, considered(), proposals);
    const std::vector<double> chances = wider.chances_of_best();
    const double least = weakest_chance(wider, chances);
    if (leading.alpha > 0 && leading.alpha == *std::max_element(alphas.begin(), alphas.end())) {
      add(beyond(alphas), leader);
    }
    for (std::size_t i = 0; i < proposals.size(); ++i) {
      if (chances[wider.candidates.size() + i] > least) add(proposals[i].alpha, leader);
    }
  }

  double weakest_chance(const Belief& belief, const std::vector<double>& chances) const {
    double least = 1;
    for (std::size_t i = 0; i < belief.candidates.size(); ++i) {
      const std::size_t candidate = belief.candidates[i];
      const bool is_alive = std::find(alive_.begin(), alive_.end(), candidate) != alive_.end();
      if (is_alive && candidate != options_.baseline) least = std::min(least, chances[i]);
    }
    return least;
  }

  void add(double alpha, std::size_t like) {
    const auto made = table_.source().candidate_at(alpha, like);
    if (!made || std::find(all_.begin(), all_.end(), *made) != all_.end()) return;
    if (screening_.has_dropped(*made)) return;
    if (options_.screen && screening_.pass(std::vector{*made}, kLooks, table_.rows()).empty())
      return;
    all_.push_back(*made);
    alive_.push_back(*made);
  }

  /// What is left when all survivors have all rows goes to those that have the best chance among
  /// the others.
  void spend_the_rest() {
    for (std::size_t look = 0; look < kLaterLooks; ++look) {
      const std::vector<std::size_t> order = by_chance();
      const auto next = std::find_if(order.begin(), order.end(), [&](std::size_t i) {
        return table_.of(belief_.candidates[i]).size() < table_.rows();
      });
      if (next == order.end()) return;
      const std::vector<std::size_t> one{belief_.candidates[*next]};
      const std::uint64_t before = table_.tokens();
      spending_.extend(one, table_.rows());
      if (table_.tokens() == before) return;
      believe_again();
      learn(one);
    }
  }

  /// The best of those that violate no guard, each of which is believed in without the others.
  std::size_t winner() const {
    std::vector<std::size_t> eligible;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(eligible),
                 [&](std::size_t candidate) { return is_eligible(table_, options_, candidate); });
    return best_of(believe(table_, eligible));
  }

  std::size_t best_of(const Belief& belief) const {
    std::size_t best = options_.baseline;
    double most = -INFINITY;
    for (std::size_t i = 0; i < belief.candidates.size(); ++i) {
      const std::size_t candidate = belief.candidates[i];
      if (belief.mean[i] <= most || !is_eligible(table_, options_, candidate)) continue;
      most = belief.mean[i];
      best = candidate;
    }
    return best;
  }

  ScoreTable& table_;
  const SearchOptions& options_;
  Spending spending_;
  Screening screening_;
  std::vector<std::size_t> all_;
  std::vector<std::size_t> alive_;
  Belief belief_;
  std::vector<double> chances_;
  Choice choice_;
};

}  // namespace

Choice choose_by_race(ScoreTable& table, const SearchOptions& options) {
  return Race(table, options).run();
}

}  // namespace expo
