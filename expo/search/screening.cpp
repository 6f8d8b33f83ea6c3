#include "expo/search/screening.h"

#include <algorithm>
#include <cmath>

namespace expo {
namespace {

constexpr std::size_t kProbe = 2;  // rows that show a price
constexpr std::size_t kRows = 16;
constexpr std::size_t kRowsAnyhow = 8;
constexpr std::size_t kFewestRows = 6;
constexpr std::size_t kLetGoOn = 2;      // cut answers
constexpr double kMostOfBudget = 0.5;    // that cut answers may take
constexpr double kReserve = 4;           // times what it took to let some go on
constexpr std::uint64_t kLeastCap = 64;  // of tokens: below it, there is little to save
constexpr double kPercentile = 0.95;

/// The value that 95 of 100 do not exceed.
std::uint64_t percentile(std::vector<std::uint64_t> values) {
  std::ranges::sort(values);
  const auto rank = std::ceil(kPercentile * static_cast<double>(values.size()));
  return values.at(static_cast<std::size_t>(std::max(rank, 1.0)) - 1);
}

}  // namespace

std::vector<std::size_t> Screening::pass(std::span<const std::size_t> candidates, std::size_t parts,
                                         std::size_t end) {
  std::vector<std::size_t> all(candidates.begin(), candidates.end());
  const std::size_t rows = affordable_rows(candidates, parts, end);
  if (rows < kFewestRows) return all;
  const Baseline baseline = look_at_baseline();
  std::vector<std::size_t> others = all;
  std::erase(others, baseline_);
  std::vector<ScoreRequest> requests;
  for (const std::size_t each : others) {
    const auto wanted = table_.requests(each, 0, rows);
    requests.insert(requests.end(), wanted.begin(), wanted.end());
  }
  const std::vector<Glance> glances = table_.source().glance(requests, baseline.cap);
  const std::size_t share = others.empty() ? 0 : requests.size() / others.size();
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (!stays(others[i], std::span(requests).subspan(i * share, share),
               std::span(glances).subspan(i * share, share), baseline))
      std::erase(all, others[i]);
  }
  spending_.extend(all, rows);
  return all;
}

/// Has the baseline answer as many rows as the others can.
std::size_t Screening::affordable_rows(std::span<const std::size_t> candidates, std::size_t parts,
                                       std::size_t end) {
  const std::vector<std::size_t> zero{baseline_};
  spending_.extend(zero, kProbe);
  const double left = spending_.left();
  const bool is_limited = std::isfinite(left);
  const std::size_t reach = is_limited
                                ? spending_.reach(candidates, left / static_cast<double>(parts))
                                : std::max(end, kRowsAnyhow);
  std::size_t rows = std::min({kRows, reach, table_.rows()});
  if (rows < kFewestRows) return 0;
  spending_.extend(zero, rows);
  if (is_limited) {
    // As if all were cut.
    const auto row = static_cast<double>(
        candidates.size() * table_.requests(baseline_, 0, 1).size() * look_at_baseline().cap);
    rows = std::min(
        rows, static_cast<std::size_t>(kMostOfBudget * std::max(0.0, spending_.left()) / row));
  }
  return std::min(rows, table_.of(baseline_).size());
}

Screening::Baseline Screening::look_at_baseline() {
  const auto requests = table_.requests(baseline_, 0, table_.of(baseline_).size());
  const std::vector<Score> scores = table_.source().scores(requests);
  std::vector<std::uint64_t> tokens;
  for (const Score& each : scores) tokens.push_back(each.tokens);
  Baseline result;
  result.cap = std::max(kLeastCap, 2 * percentile(std::move(tokens)));
  for (const Score& each : scores) result.counts.add(glance_of(each, result.cap).collapse);
  return result;
}

bool Screening::stays(std::size_t candidate, std::span<const ScoreRequest> requests,
                      std::span<const Glance> glances, const Baseline& baseline) {
  pay(requests, glances);
  CollapseCounts counts;
  for (const Glance& each : glances) counts.add(each.collapse);
  for (const Collapse kind : collapses_beyond(counts, baseline.counts)) {
    if (kind == Collapse::endless && ends_by_itself(requests, glances)) continue;
    collapsed_.push_back({candidate, kind, counts.share(kind), baseline.counts.share(kind),
                          counts.answers, baseline.cap});
    if (sink_) sink_(collapsed_.back());
    return false;
  }
  return true;
}

/// What was cut and cannot go on has served its purpose; all else will be part of a row.
void Screening::pay(std::span<const ScoreRequest> requests, std::span<const Glance> glances) {
  for (std::size_t i = 0; i < glances.size(); ++i) {
    if (glances[i].is_cut && !glances[i].goes_on) {
      table_.charge(glances[i].tokens);
    } else {
      table_.prepay(requests[i], glances[i].tokens);
    }
  }
}

/// Lets some of the answers that were cut go on, unless that would take too much of the budget.
bool Screening::ends_by_itself(std::span<const ScoreRequest> requests,
                               std::span<const Glance> glances) {
  if (spending_.left() < kReserve * static_cast<double>(dearest_)) return false;
  std::vector<ScoreRequest> some;
  double most = 0;  // that they may take
  for (std::size_t i = 0; i < requests.size() && some.size() < kLetGoOn; ++i) {
    if (glances[i].collapse != Collapse::endless) continue;
    some.push_back(requests[i]);
    most += static_cast<double>(table_.source().longest().value_or(0));
    if (glances[i].goes_on) most -= static_cast<double>(glances[i].tokens);
  }
  if (spending_.left() < most) return false;
  const std::vector<Score> scores = table_.source().scores(some);
  const std::uint64_t before = table_.tokens();
  for (std::size_t i = 0; i < some.size(); ++i) table_.prepay(some[i], scores[i].tokens);
  if (std::ranges::any_of(scores, [](const Score& each) { return each.ending == Ending::stop; }))
    return true;
  dearest_ = std::max(dearest_, table_.tokens() - before);
  return false;
}

bool Screening::has_dropped(std::size_t candidate) const {
  return std::ranges::any_of(collapsed_,
                             [&](const Collapsed& each) { return each.candidate == candidate; });
}

}  // namespace expo
