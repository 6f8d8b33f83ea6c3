#include "expo/search/live/live_candidates.h"

#include "expo/extrapolation/write/input_digest.h"
#include "expo/search/live/engine_identity.h"
#include "expo/search/live/module_schedule.h"

namespace expo {

LiveCandidate uniform_candidate(double alpha, std::size_t policy, const std::string& label) {
  const std::string name = label_of(alpha);
  return {{alpha, label.empty() ? name : label + " " + name, policy}, policy, AlphaSchedule(alpha)};
}

LiveCandidates::LiveCandidates(std::vector<Policy> policies, const Json& settings,
                               const CancellationToken& cancellation)
    : policies_(std::move(policies)) {
  for (const Policy& policy : policies_) {
    const Json facts = {identity_with_digests(*policy.engine, cancellation), settings};
    policy_digests_.push_back(text_digest(compact_json(facts)));
  }
}

std::string LiveCandidates::digest(const LiveCandidate& candidate) const {
  const Json alpha = candidate.schedule ? Json(candidate.schedule->description()) : Json();
  return text_digest(compact_json(Json::array({policy_digests_.at(candidate.policy), alpha})));
}

std::size_t LiveCandidates::add(LiveCandidate candidate) {
  digests_.push_back(digest(candidate));
  candidates_.push_back(candidate.candidate);
  live_.push_back(std::move(candidate));
  return live_.size() - 1;
}

std::optional<std::size_t> LiveCandidates::at(double alpha, std::size_t like) {
  const LiveCandidate& model = live_.at(like);
  if (!model.schedule || !model.schedule->uniform()) return std::nullopt;
  if (const auto there = find_candidate(candidates_, alpha, model.candidate.family)) return there;
  if (allowed_ && !allowed_(alpha, model.policy)) return std::nullopt;
  LiveCandidate made = uniform_candidate(
      alpha, model.policy, policies_.size() > 1 ? policies_.at(model.policy).label : "");
  made.candidate.family = model.candidate.family;
  return add(std::move(made));
}

std::optional<std::size_t> LiveCandidates::at(const ModulePoint& point, std::size_t like) {
  const LiveCandidate& model = live_.at(like);
  if (!model.schedule || !model.schedule->uniform()) return std::nullopt;
  const Candidate& origin = model.candidate;
  if (const auto there = find_candidate(candidates_, origin.alpha, origin.family, point))
    return there;
  if (allowed_ && !allowed_(smallest_alpha(origin.alpha, point), model.policy)) return std::nullopt;
  // What precedes the α in the label, such as a model's name, stays.
  const std::string uniform = label_of(origin.alpha);
  std::string label = origin.label;
  if (label.ends_with(uniform)) label.resize(label.size() - uniform.size());
  Candidate made = origin;
  made.label = label + label_of(origin.alpha, point);
  made.modules = point;
  return add({made, model.policy, module_schedule(origin.alpha, point)});
}

Engine& LiveCandidates::engine_at(const LiveCandidate& candidate,
                                  const CancellationToken& cancellation) const {
  Engine& engine = *policies_.at(candidate.policy).engine;
  if (candidate.schedule) engine.move_to(*candidate.schedule, cancellation);
  return engine;
}

}  // namespace expo
