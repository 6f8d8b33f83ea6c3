#pragma once

#include <string>

#include "expo/core/json.h"
#include "expo/search/run/search_run.h"

namespace expo {

/// The result of a search, as search.json holds it, as text for a person: the table, the verdict,
/// and what to do next.
std::string describe_search(const Json& result);

/// "endless: 92 % of its answers reach 120 tokens, 4 % at α = 0", from what search.json holds.
std::string describe_collapse(const Json& collapsed);
/// What became of the search for an α of each kind of module, in sentences; empty without one.
std::string describe_modules(const Json& result);

/// A line about a look at points of that search.
std::string describe_points(const Look& look, std::size_t number,
                            const std::vector<Candidate>& candidates,
                            std::optional<std::uint64_t> budget);

/// "brief, shown and not tested: +0.0100 ± 0.0040", a line for each further objective.
std::string describe_shown(const Json& shown);

/// "+0.0833 (90 %: +0.0210 to +0.1456; p = 0.012)"; a bound that is null is open.
std::string describe_difference(const Json& comparison);

/// A line about a look: which α stay, what they score, and what is left of a budget.
std::string describe(const Look& look, std::size_t number, const std::vector<Candidate>& candidates,
                     std::optional<std::uint64_t> budget);

}  // namespace expo
