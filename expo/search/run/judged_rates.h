#pragma once

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/search/live/live_source.h"
#include "expo/search/run/live_search.h"

namespace expo {

/// What a judge said of the answers of each candidate that was compared on the confirming part,
/// against those of candidate `baseline`: the figures of AlpacaEval, with the length-controlled win
/// rate of a fit without difficulties. An array of {"label", "alpha", "win_rate", …} without the
/// baseline itself; the judge must be the source's first scorer.
Json judged_rates(const LiveScoreSource& source, std::size_t baseline, const LiveSearch& search,
                  const SearchResult& result, const CancellationToken& cancellation);

}  // namespace expo
