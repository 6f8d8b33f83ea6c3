#pragma once

#include <memory>
#include <span>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/search/live/answer_scorer.h"

namespace expo {

/// Scores by a reward model: the raw reward of prompt and answer, as `expo score` gives it. check()
/// has it judge one answer, which loads its weights, and throws Error(usage) unless it is a reward
/// model with one label; score() throws Error(input) naming the answer that does not fit its
/// context. Reads the model's files for their digests, which may take long. `reward_model` must
/// outlive it.
std::unique_ptr<AnswerScorer> reward_scorer(Engine& reward_model,
                                            const CancellationToken& cancellation);

/// Scores without a reward model, by DPO's own reward of the pair that is extrapolated:
/// log π_θ(y|x) − log π_sft(y|x), summed over the tokens of the answer's text (tokenised anew,
/// without an end token), at temperature 1. The factor β is left out, as it changes no order. This
/// is a proxy: it grows with what training has changed, whether that was good or not. An empty
/// answer gets 0.
///
/// `policy` must be able to move, and is moved to α = 0 and then to α = −1, once each for a call of
/// score(). It may be an engine that answers as well, if that moves before it answers, and must
/// outlive the scorer. Several ALIGNED checkpoints are comparable only if one pair judges them all.
std::unique_ptr<AnswerScorer> implicit_scorer(Engine& policy,
                                              const CancellationToken& cancellation);

/// The prompt with the answer as its last turn.
std::vector<Conversation> conversations_of(std::span<const ScorableAnswer> answers);

}  // namespace expo
