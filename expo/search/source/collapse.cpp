#include "expo/search/source/collapse.h"

#include <cmath>

namespace expo {
namespace {

constexpr double kClearExcess = 0.2;

/// A share with one more answer of the kind and one of another, and its variance.
struct Smoothed {
  Smoothed(const CollapseCounts& counts, Collapse kind) {
    const double answers = static_cast<double>(counts.answers) + 2;
    share = (static_cast<double>(counts.count(kind)) + 1) / answers;
    variance = share * (1 - share) / answers;
  }
  double share = 0;
  double variance = 0;
};

}  // namespace

void CollapseCounts::add(Collapse collapse) {
  ++answers;
  if (collapse == Collapse::empty) ++empty;
  if (collapse == Collapse::repeating) ++repeating;
  if (collapse == Collapse::endless) ++endless;
}

std::size_t CollapseCounts::count(Collapse collapse) const {
  switch (collapse) {
    case Collapse::empty:
      return empty;
    case Collapse::repeating:
      return repeating;
    case Collapse::endless:
      return endless;
    case Collapse::none:
      break;
  }
  return answers - empty - repeating - endless;
}

double CollapseCounts::share(Collapse collapse) const {
  if (answers == 0) return 0;
  return static_cast<double>(count(collapse)) / static_cast<double>(answers);
}

std::vector<Collapse> collapses_beyond(const CollapseCounts& counts,
                                       const CollapseCounts& baseline) {
  std::vector<Collapse> result;
  if (counts.answers == 0 || baseline.answers == 0) return result;
  for (const Collapse kind : {Collapse::empty, Collapse::repeating, Collapse::endless}) {
    const Smoothed here(counts, kind);
    const Smoothed there(baseline, kind);
    const double error = std::sqrt(here.variance + there.variance);
    if (counts.share(kind) - baseline.share(kind) >= kClearExcess &&
        here.share - there.share > 2 * error)
      result.push_back(kind);
  }
  return result;
}

const char* collapse_name(Collapse collapse) {
  switch (collapse) {
    case Collapse::empty:
      return "empty";
    case Collapse::repeating:
      return "repeating";
    case Collapse::endless:
      return "endless";
    case Collapse::none:
      break;
  }
  return "none";
}

}  // namespace expo
