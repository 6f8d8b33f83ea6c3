#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "expo/core/progress.h"
#include "expo/search/live/drift_estimate.h"
#include "expo/search/live/live_source.h"

namespace expo {

/// The most answers of each candidate that its drift is measured on.
inline constexpr std::size_t kDriftAnswers = 64;

/// Measures the drift of some candidates of a source on their answers to the first of these prompts
/// (one sample each, kDriftAnswers at most, those that are there): std::nullopt for one that is no
/// α of a pair, has no answer with a token, whose engine has no log-probabilities, or whose
/// log-probabilities are not finite. An answer
/// whose text does not fit the context is left out. Moves each pair's engine once to each
/// candidate, θ and θ_sft, unless all is known: `cache`, which must be the source's own, keeps the
/// log-probabilities as it keeps scores. Throws what the engines throw.
std::vector<std::optional<Drift>> measure_drift(const LiveScoreSource& source, AnswerCache& cache,
                                                std::span<const std::size_t> candidates,
                                                std::span<const std::size_t> prompts,
                                                RowProgress* progress,
                                                const CancellationToken& cancellation);

}  // namespace expo
