#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "expo/core/progress.h"
#include "expo/engine/engine.h"
#include "expo/search/live/answer_cache.h"
#include "expo/search/live/answer_measures.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/live/live_candidates.h"
#include "expo/search/source/score_source.h"
#include "expo/text/prompts.h"

namespace expo {

struct LiveOptions {
  /// The user's own, with the limit that decides. Draws depend on its seed, the prompt's id and the
  /// number of the sample only, so that candidates share them.
  AnswerOptions answer;
  std::uint32_t samples = 1;
  /// What the scorers after the first one are called as measures.
  std::vector<std::string> further = {};
};

/// What a source has really done, as opposed to what it took from its cache.
struct LiveWork {
  std::uint64_t answers = 0;  ///< that were finished
  std::uint64_t tokens = 0;   ///< that were generated, also for answers that were not finished
  double seconds = 0;         ///< of answering, without moves
  std::uint64_t scored = 0;
};

/// Scores from running engines. Each call of scores() moves a policy's weights once for each of its
/// candidates that lacks answers, generates these in one batch, and has all answers scored after
/// that, so that policy and scorer need not work at the same time. Each answer and each score is
/// kept as soon as it is there: whatever fails or kills a run, nothing finished is made twice. What
/// a cap has cut goes on from its tokens where the engine can do that.
///
/// A score's length is in characters (code points), and its tokens are those of the kept answer,
/// also where it comes from the cache, so that a resumed search decides as the undisturbed one. The
/// score is the first scorer's; those of the others are its first measures, before those of
/// measures_of_answers(). scores_of() has those of all.
///
/// Scorers that compare get the answers of one candidate, the baseline, beside all others', which
/// are made first. Their scores are told apart by the baseline's answer, too.
///
/// Answers are told apart by the engine's identity, its models' digests, the schedule of α, all
/// answer options, and the prompt's messages, variables, id and sample. Scores are told apart by
/// the scorer's identity and by all columns of the prompt's row.
class LiveScoreSource final : public ScoreSource {
 public:
  /// Prompts are answered as they are (a system turn is added before), and must fit the engines.
  /// Reads the models' files for their digests, which may take long. Throws Error(input) if a
  /// scorer cannot judge answers to a prompt, and what the engines throw. There must be a policy, a
  /// prompt, a scorer, and a name for each further scorer; the engines, prompts, scorers, cache,
  /// progress (if not null) and cancellation must outlive this object.
  LiveScoreSource(std::vector<Policy> policies, std::vector<LiveCandidate> candidates,
                  const std::vector<Prompt>& prompts, std::vector<AnswerScorer*> scorers,
                  AnswerCache& cache, LiveOptions options, RowProgress* progress,
                  const CancellationToken& cancellation);

  const std::vector<Candidate>& candidates() const override { return candidates_.list(); }
  std::size_t prompts() const override { return prompts_.size(); }
  std::uint32_t samples() const override { return options_.samples; }
  std::optional<std::uint64_t> longest() const override { return options_.answer.stop.max_tokens; }
  std::vector<Measure> measures() const override { return measures_of_answers(options_.further); }

  std::optional<std::size_t> candidate_at(double alpha, std::size_t like) override {
    return candidates_.at(alpha, like);
  }
  std::optional<std::size_t> module_candidate(const ModulePoint& point, std::size_t like) override {
    return candidates_.at(point, like);
  }
  /// From now on, candidate_at() makes none with an α for which this is false.
  void make_only(std::function<bool(double alpha, std::size_t policy)> allowed) {
    candidates_.make_only(std::move(allowed));
  }
  /// Where a scorer turns out to be doubtful, none of its scores is kept, nor those of earlier runs
  /// under the same identity.
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override;
  std::vector<Glance> glance(std::span<const ScoreRequest> requests, std::uint64_t cap) override;

  /// Lets the scorers finish, after the last answer; throws as scores() does.
  void finish();

  /// Adds a candidate of any kind and returns its number.
  std::size_t add(LiveCandidate candidate) { return candidates_.add(std::move(candidate)); }
  const LiveCandidate& live_candidate(std::size_t number) const { return candidates_[number]; }
  const LiveCandidates& live_candidates() const { return candidates_; }
  const Prompt& prompt(std::size_t number) const { return prompts_.at(number); }

  /// From now on, answers end at `tokens` (std::nullopt: at the user's own limit), if that is less.
  /// Only while screening: what is truncated then may get another score without the cap.
  void cap_answers(std::optional<std::size_t> tokens) { cap_ = tokens; }

  /// The answer to a request under the present limit; nullptr if there is none yet.
  const KeptAnswer* answer_of(const ScoreRequest& request) const;
  /// The scores of a request's answer by all scorers, in their order; std::nullopt for those that
  /// have not judged it, all of them if there is no answer yet.
  std::vector<std::optional<double>> scores_of(const ScoreRequest& request) const;

  /// What the answers are compared with by scorers that compare; before any score is asked for.
  void compare_with(std::size_t baseline) { baseline_ = baseline; }

  const LiveWork& work() const { return work_; }

 private:
  /// Answers what is missing under the present limit.
  void answer_missing(std::span<const ScoreRequest> requests);
  AnswerOptions present_options() const;
  AnswerKey key_of(const ScoreRequest& request) const;
  std::vector<ScoreRequest> missing(std::span<const ScoreRequest> requests,
                                    std::size_t candidate) const;
  void answer(std::size_t candidate, std::span<const ScoreRequest> requests);
  void keep(const ScoreRequest& request, const Answer& answer);
  void judge(std::size_t scorer, std::span<const ScoreRequest> requests);
  void trust(std::size_t scorer, const std::function<void()>& work);
  Score score_of(const ScoreRequest& request) const;
  Glance glance_at(const ScoreRequest& request, std::uint64_t cap) const;
  void answer_baseline(std::size_t scorer, std::span<const ScoreRequest> requests);
  /// The baseline's answer to a request's prompt and sample; nullptr if there is none yet.
  const KeptAnswer* baseline_answer(const ScoreRequest& request) const;
  /// The name under which a scorer's score of the answer to a request is kept. A scorer that
  /// compares has none before the baseline has answered.
  std::optional<std::string> score_name(std::size_t scorer, const ScoreRequest& request) const;

  LiveCandidates candidates_;
  const std::vector<Prompt>& prompts_;
  std::vector<AnswerScorer*> scorers_;
  AnswerCache& cache_;
  LiveOptions options_;
  RowProgress* progress_;
  const CancellationToken& cancellation_;
  std::optional<std::size_t> cap_;
  std::size_t baseline_ = 0;  ///< candidate that others are compared with
  std::vector<std::string> prompt_digests_;
  std::vector<std::string> scorer_digests_;
  std::vector<std::string> row_digests_;  ///< by prompt; scorers may read any column
  std::vector<Conversation> conversations_;
  LiveWork work_;
};

}  // namespace expo
