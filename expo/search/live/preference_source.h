#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/line_journal.h"
#include "expo/core/progress.h"
#include "expo/search/live/answer_log_probs.h"
#include "expo/search/live/live_candidates.h"
#include "expo/search/source/score_source.h"
#include "expo/text/preferences.h"

namespace expo {

/// How a preference pair judges a model that generates nothing.
enum class PreferenceMeasure {
  /// 1 if the mean log-probability of a token of the chosen answer is larger than of the rejected
  /// one, else 0: the accuracy of the length-normalised likelihood.
  accuracy,
  /// log σ(β · margin), where the margin is by how much more than θ_sft the model prefers the
  /// chosen answer: the negative of DPO's loss.
  dpo_loss,
};

struct PreferenceOptions {
  PreferenceMeasure measure = PreferenceMeasure::accuracy;
  double beta = 0.1;  ///< of dpo_loss; > 0
};

/// The log-probabilities of pairs, in memory and in a file of JSON lines to which each pair is
/// added as soon as it is known, so that none is computed twice:
///
///   {"format": "expo-pairs-1"}
///   {"key": DIGEST, "chosen": [SUM, TOKENS], "rejected": [SUM, TOKENS]}
///
/// Only one process may have it open. Not thread-safe.
class PairCache {
 public:
  struct Pair {
    AnswerLogProb chosen;
    AnswerLogProb rejected;
  };

  /// Opens or begins the file. Throws what LineJournal throws. `filesystem` must outlive it.
  PairCache(Filesystem& filesystem, std::filesystem::path path);

  const Pair* find(const std::string& key) const;
  void add(const std::string& key, const Pair& pair);
  void sync() { journal_.sync(); }

 private:
  std::unordered_map<std::string, Pair> kept_;
  LineJournal journal_;
};

/// Scores from held-out preference pairs instead of answers: a proxy, which asks whether a model
/// finds good answers more likely, not whether it writes them. A prompt is a pair, with one sample;
/// its tokens are those of both answers, its length is the chosen answer's characters at every α.
class PreferenceSource final : public ScoreSource {
 public:
  /// The reference of dpo_loss is the first candidate's policy at α = −1. Throws Error(usage) for a
  /// β that is not above 0, and for dpo_loss if the first candidate has no schedule. Reads the
  /// models' files for their digests. Everything that is passed by reference or pointer must
  /// outlive this object.
  PreferenceSource(std::vector<Policy> policies, std::vector<LiveCandidate> candidates,
                   const std::vector<Preference>& pairs, PairCache& cache,
                   PreferenceOptions options, RowProgress* progress,
                   const CancellationToken& cancellation);

  const std::vector<Candidate>& candidates() const override { return candidates_.list(); }
  std::size_t prompts() const override { return pairs_.size(); }
  std::uint32_t samples() const override { return 1; }
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
  std::vector<Score> scores(std::span<const ScoreRequest> requests) override;
  std::size_t add(LiveCandidate candidate) { return candidates_.add(std::move(candidate)); }

 private:
  std::string key_of(const LiveCandidate& candidate, std::size_t pair) const;
  void compute(const LiveCandidate& candidate, std::span<const std::size_t> pairs);
  void compute_batch(Engine& engine, const LiveCandidate& candidate,
                     std::span<const std::size_t> pairs);
  double score_of(const PairCache::Pair& model, std::size_t pair) const;

  LiveCandidates candidates_;
  const std::vector<Preference>& pairs_;
  PairCache& cache_;
  PreferenceOptions options_;
  RowProgress* progress_;
  const CancellationToken& cancellation_;
  std::optional<LiveCandidate> reference_;
  std::vector<std::string> pair_digests_;
};

}  // namespace expo
