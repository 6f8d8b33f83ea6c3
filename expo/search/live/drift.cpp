#include "expo/search/live/drift.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "expo/engine/row_progress_span.h"
#include "expo/search/live/answer_log_probs.h"
#include "expo/search/live/model_scorers.h"

namespace expo {
namespace {

/// Sums over the tokens of answers, of which a mean of a token is made.
class TokenMean {
 public:
  void add(double sum, double tokens) {
    sums_.push_back(sum);
    tokens_.push_back(tokens);
  }
  double tokens() const { return std::accumulate(tokens_.begin(), tokens_.end(), 0.0); }
  double mean() const { return std::accumulate(sums_.begin(), sums_.end(), 0.0) / tokens(); }

  /// The standard error of a ratio of sums (Cochran, Sampling Techniques, section 6.3).
  std::optional<double> error() const {
    const auto n = static_cast<double>(sums_.size());
    if (n < 2) return std::nullopt;
    const double mean = this->mean();
    double squares = 0;
    for (std::size_t i = 0; i < sums_.size(); ++i)
      squares += std::pow(sums_[i] - mean * tokens_[i], 2);
    return std::sqrt(squares * n / (n - 1)) / tokens();
  }

 private:
  std::vector<double> sums_;
  std::vector<double> tokens_;
};

/// An answer of one of the candidates.
struct Judged {
  std::size_t candidate = 0;
  const KeptAnswer* answer = nullptr;
  Conversation conversation;
};

class Measurement {
 public:
  Measurement(const LiveScoreSource& source, AnswerCache& cache, RowProgress* progress,
              const CancellationToken& cancellation)
      : models_(source.live_candidates()),
        source_(source),
        cache_(cache),
        progress_(progress),
        cancellation_(cancellation) {}

  std::vector<std::optional<Drift>> measure(std::span<const std::size_t> candidates,
                                            std::span<const std::size_t> prompts) {
    for (const std::size_t candidate : candidates) {
      if (models_[candidate].schedule) take(candidate, prompts);
    }
    // θ_sft, θ, and then each candidate, so that an engine moves to each place once.
    for (const auto& [policy, judged] : by_policy_) {
      ask(uniform_candidate(-1, policy), judged);
      ask(uniform_candidate(0, policy), judged);
      for (const std::size_t candidate : candidates) {
        if (models_[candidate].policy == policy && models_[candidate].schedule)
          ask(models_[candidate], own(judged, candidate));
      }
    }
    cache_.sync();
    std::vector<std::optional<Drift>> result;
    for (const std::size_t candidate : candidates) result.push_back(drift_of(candidate));
    return result;
  }

 private:
  static std::vector<const Judged*> own(const std::vector<const Judged*>& judged,
                                        std::size_t candidate) {
    std::vector<const Judged*> result;
    std::ranges::copy_if(judged, std::back_inserter(result),
                         [&](const Judged* each) { return each->candidate == candidate; });
    return result;
  }

  /// Takes the candidate's answers that can be judged.
  void take(std::size_t candidate, std::span<const std::size_t> prompts) {
    std::vector<ScorableAnswer> answers;
    std::vector<const KeptAnswer*> kept;
    for (const std::size_t prompt : prompts) {
      if (answers.size() == kDriftAnswers) break;
      const KeptAnswer* answer = source_.answer_of({candidate, prompt, 0});
      if (answer == nullptr || answer->text.empty()) continue;
      answers.push_back({&source_.prompt(prompt), 0, answer->text, answer->finish});
      kept.push_back(answer);
    }
    const std::vector<Conversation> conversations = conversations_of(answers);
    Engine& engine = models_.engine(models_[candidate].policy);
    if (!engine.has_log_probs()) return;
    const auto counts = engine.count_log_prob_tokens(conversations);
    const std::size_t context = engine.describe().context;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (counts && context > 0 && counts->at(i) > context) continue;
      judged_[candidate].push_back({candidate, kept[i], conversations[i]});
    }
    for (const Judged& each : judged_[candidate])
      by_policy_[models_[candidate].policy].push_back(&each);
  }

  /// The names under which the log-probability by a model is kept, and the number of its tokens.
  std::string sum_name(const LiveCandidate& model) const {
    return "log-prob/" + models_.digest(model);
  }
  std::string tokens_name(const LiveCandidate& model) const {
    return "log-prob-tokens/" + models_.digest(model);
  }

  /// Has a model judge those answers that it has not judged yet.
  void ask(const LiveCandidate& model, const std::vector<const Judged*>& judged) {
    std::vector<const Judged*> missing;
    std::ranges::copy_if(judged, std::back_inserter(missing), [&](const Judged* each) {
      return !each->answer->scores.contains(sum_name(model));
    });
    if (missing.empty()) return;
    cancellation_.check();
    Engine& engine = models_.engine_at(model, cancellation_);
    RowProgressSpan span(progress_, "measuring drift, " + model.candidate.label, missing.size());
    in_batches(missing, kJudgedAtOnce, cancellation_,
               [&](std::size_t, std::span<const Judged* const> batch) {
                 ask_batch(engine, model, batch);
                 span.advance_rows(batch.size());
               });
  }

  void ask_batch(Engine& engine, const LiveCandidate& model, std::span<const Judged* const> batch) {
    std::vector<Conversation> conversations;
    for (const Judged* each : batch) conversations.push_back(each->conversation);
    const auto log_probs = answer_log_probs(engine, conversations, cancellation_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!std::isfinite(log_probs[i].sum)) continue;
      // The sum comes last: where it is, the number of tokens is, too.
      cache_.add_score(*batch[i]->answer, tokens_name(model),
                       static_cast<double>(log_probs[i].tokens));
      cache_.add_score(*batch[i]->answer, sum_name(model), log_probs[i].sum);
    }
  }

  std::optional<Drift> drift_of(std::size_t candidate) const {
    const auto found = judged_.find(candidate);
    if (found == judged_.end()) return std::nullopt;
    const LiveCandidate& model = models_[candidate];
    TokenMean from_aligned;
    TokenMean from_sft;
    for (const Judged& each : found->second) {
      const auto& kept = each.answer->scores;
      const auto own = kept.find(sum_name(model));
      const auto aligned = kept.find(sum_name(uniform_candidate(0, model.policy)));
      const auto sft = kept.find(sum_name(uniform_candidate(-1, model.policy)));
      if (own == kept.end() || aligned == kept.end() || sft == kept.end()) return std::nullopt;
      const double tokens = kept.at(tokens_name(model));
      from_aligned.add(own->second - aligned->second, tokens);
      from_sft.add(own->second - sft->second, tokens);
    }
    if (from_sft.tokens() == 0) return std::nullopt;
    return Drift{.from_aligned = from_aligned.mean(),
                 .from_sft = from_sft.mean(),
                 .from_aligned_error = from_aligned.error(),
                 .from_sft_error = from_sft.error(),
                 .answers = found->second.size(),
                 .tokens = static_cast<std::uint64_t>(from_sft.tokens())};
  }

  const LiveCandidates& models_;
  const LiveScoreSource& source_;
  AnswerCache& cache_;
  RowProgress* progress_;
  const CancellationToken& cancellation_;
  std::map<std::size_t, std::vector<Judged>> judged_;  ///< by candidate
  std::map<std::size_t, std::vector<const Judged*>> by_policy_;
};

}  // namespace

std::vector<std::optional<Drift>> measure_drift(const LiveScoreSource& source, AnswerCache& cache,
                                                std::span<const std::size_t> candidates,
                                                std::span<const std::size_t> prompts,
                                                RowProgress* progress,
                                                const CancellationToken& cancellation) {
  return Measurement(source, cache, progress, cancellation).measure(candidates, prompts);
}

}  // namespace expo
