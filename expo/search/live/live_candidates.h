#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/engine/engine.h"
#include "expo/search/source/score_source.h"

namespace expo {

/// A model that is asked: an ALIGNED checkpoint with its SFT checkpoint, or a model alone.
struct Policy {
  Engine* engine = nullptr;
  std::string label;  ///< precedes "α = 0.5" unless it is empty: where several policies compete
};

/// A candidate of a live search, and how it is made.
struct LiveCandidate {
  Candidate candidate;
  std::size_t policy = 0;
  /// Where the policy's weights move to; std::nullopt: the engine is used as it was opened, as for
  /// a model without an SFT checkpoint, and never moves. Such a policy has no other candidate.
  std::optional<AlphaSchedule> schedule;
};

/// A candidate with one α for all tensors, whose family is its policy's number. `label` precedes
/// "α = 0.5" unless it is empty.
LiveCandidate uniform_candidate(double alpha, std::size_t policy = 0,
                                const std::string& label = "");

/// The candidates of a live search, with what tells the results of each apart from all others.
class LiveCandidates {
 public:
  /// Reads the models' files for their digests, which may take long. `settings` are what else the
  /// results of all candidates depend on. The engines must outlive this object.
  LiveCandidates(std::vector<Policy> policies, const Json& settings,
                 const CancellationToken& cancellation);

  std::size_t add(LiveCandidate candidate);
  /// From now on, at() makes no candidate with an α of a policy for which this is false.
  void make_only(std::function<bool(double alpha, std::size_t policy)> allowed) {
    allowed_ = std::move(allowed);
  }
  /// The candidate with this α for all tensors in the family of `like`, which is made if need be;
  /// std::nullopt if `like` has another kind of schedule, or none, or if it must not be made.
  std::optional<std::size_t> at(double alpha, std::size_t like);
  /// The candidate with the α of `like` times a point, in its family, which is made if need be;
  /// std::nullopt if `like` has another kind of schedule, or none, or if the smallest α of a tensor
  /// must not be made.
  std::optional<std::size_t> at(const ModulePoint& point, std::size_t like);

  const std::vector<Candidate>& list() const { return candidates_; }
  const LiveCandidate& operator[](std::size_t number) const { return live_.at(number); }

  /// Of the policy's identity and models, the schedule and the settings.
  const std::string& digest(std::size_t number) const { return digests_.at(number); }
  std::string digest(const LiveCandidate& candidate) const;

  /// A policy's engine, wherever it is now.
  Engine& engine(std::size_t policy) const { return *policies_.at(policy).engine; }
  /// The candidate's engine, moved to it.
  Engine& engine_at(const LiveCandidate& candidate, const CancellationToken& cancellation) const;

 private:
  std::vector<Policy> policies_;
  std::function<bool(double alpha, std::size_t policy)> allowed_;
  std::vector<std::string> policy_digests_;
  std::vector<Candidate> candidates_;
  std::vector<LiveCandidate> live_;
  std::vector<std::string> digests_;
};

}  // namespace expo
