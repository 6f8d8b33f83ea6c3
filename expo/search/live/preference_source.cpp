#include "expo/search/live/preference_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/engine/row_progress_span.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {
namespace {

/// Pairs that are kept at once: an engine gets both answers of each.
constexpr std::size_t kPairsAtOnce = kJudgedAtOnce / 2;

Json to_json(const AnswerLogProb& log_prob) {
  return Json::array({log_prob.sum, log_prob.tokens});
}

AnswerLogProb log_prob_of(const Json& json) {
  return {json.at(0).get<double>(), json.at(1).get<std::uint64_t>()};
}

/// log σ(x), without overflow.
double log_sigmoid(double x) {
  return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x)));
}

}  // namespace

PairCache::PairCache(Filesystem& filesystem, std::filesystem::path path)
    : journal_(filesystem, std::move(path), "expo-pairs-1", [this](const Json& line) {
        kept_.emplace(line.at("key").get<std::string>(),
                      Pair{log_prob_of(line.at("chosen")), log_prob_of(line.at("rejected"))});
      }) {}

const PairCache::Pair* PairCache::find(const std::string& key) const {
  const auto found = kept_.find(key);
  return found == kept_.end() ? nullptr : &found->second;
}

void PairCache::add(const std::string& key, const Pair& pair) {
  journal_.append(
      {{"key", key}, {"chosen", to_json(pair.chosen)}, {"rejected", to_json(pair.rejected)}});
  kept_.emplace(key, pair);
}

PreferenceSource::PreferenceSource(std::vector<Policy> policies,
                                   std::vector<LiveCandidate> candidates,
                                   const std::vector<Preference>& pairs, PairCache& cache,
                                   PreferenceOptions options, RowProgress* progress,
                                   const CancellationToken& cancellation)
    : candidates_(std::move(policies), "pairs", cancellation),
      pairs_(pairs),
      cache_(cache),
      options_(options),
      progress_(progress),
      cancellation_(cancellation) {
  if (options_.measure == PreferenceMeasure::dpo_loss) {
    if (!(options_.beta > 0) || !std::isfinite(options_.beta))
      throw usage_error(fmt::format("beta is {}; expected a number above 0", options_.beta));
    if (candidates.empty() || !candidates.front().schedule)
      throw usage_error(
          "DPO's loss needs the SFT checkpoint as its reference, and the first model has none");
    reference_ = uniform_candidate(-1, candidates.front().policy);
  }
  for (const Preference& pair : pairs_) {
    const Json facts = {pair.prompt.messages, pair.prompt.variables, pair.chosen, pair.rejected};
    pair_digests_.push_back(text_digest(compact_json(facts)));
  }
  for (LiveCandidate& candidate : candidates) add(std::move(candidate));
}

std::string PreferenceSource::key_of(const LiveCandidate& candidate, std::size_t pair) const {
  return text_digest(candidates_.digest(candidate) + pair_digests_.at(pair));
}

std::vector<Score> PreferenceSource::scores(std::span<const ScoreRequest> requests) {
  std::vector<std::size_t> all;
  // One policy after the other, as their engines may take turns.
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> wanted;
  for (const ScoreRequest& request : requests) {
    all.push_back(request.prompt);
    wanted[{candidates_[request.candidate].policy, request.candidate}].push_back(request.prompt);
  }
  if (reference_) compute(*reference_, all);
  for (const auto& [place, pairs] : wanted) compute(candidates_[place.second], pairs);
  std::vector<Score> result;
  for (const ScoreRequest& request : requests) {
    const auto& pair = *cache_.find(key_of(candidates_[request.candidate], request.prompt));
    result.push_back({.score = score_of(pair, request.prompt),
                      .length = static_cast<double>(
                          count_characters(content_text(pairs_[request.prompt].chosen))),
                      .tokens = pair.chosen.tokens + pair.rejected.tokens});
  }
  return result;
}

/// Computes and keeps what the cache lacks of these pairs.
void PreferenceSource::compute(const LiveCandidate& candidate, std::span<const std::size_t> pairs) {
  std::vector<std::size_t> missing(pairs.begin(), pairs.end());
  std::ranges::sort(missing);
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  std::erase_if(missing,
                [&](std::size_t pair) { return cache_.find(key_of(candidate, pair)) != nullptr; });
  if (missing.empty()) return;
  cancellation_.check();
  Engine& engine = candidates_.engine_at(candidate, cancellation_);
  RowProgressSpan span(progress_, "scoring pairs, " + candidate.candidate.label, missing.size());
  in_batches(missing, kPairsAtOnce, cancellation_,
             [&](std::size_t, std::span<const std::size_t> batch) {
               compute_batch(engine, candidate, batch);
               span.advance_rows(batch.size());
             });
  cache_.sync();
}

void PreferenceSource::compute_batch(Engine& engine, const LiveCandidate& candidate,
                                     std::span<const std::size_t> pairs) {
  std::vector<Conversation> answered;
  for (const std::size_t number : pairs) {
    const Preference& pair = pairs_.at(number);
    for (const Json* answer : {&pair.chosen, &pair.rejected})
      answered.push_back({pair.with(*answer), pair.id, pair.place});
  }
  const auto log_probs = answer_log_probs(engine, answered, cancellation_);
  for (std::size_t i = 0; i < log_probs.size(); ++i) {
    if (std::isfinite(log_probs[i].sum)) continue;
    throw input_error(fmt::format("{}: the log-probability of an answer by {}, {}, is {}",
                                  answered[i].place, engine.describe().name,
                                  candidate.candidate.label, log_probs[i].sum));
  }
  for (std::size_t i = 0; i < pairs.size(); ++i)
    cache_.add(key_of(candidate, pairs[i]), {log_probs[2 * i], log_probs[2 * i + 1]});
}

double PreferenceSource::score_of(const PairCache::Pair& model, std::size_t pair) const {
  if (!reference_) return model.chosen.mean() > model.rejected.mean() ? 1 : 0;
  const PairCache::Pair& reference = *cache_.find(key_of(*reference_, pair));
  return log_sigmoid(options_.beta * ((model.chosen.sum - reference.chosen.sum) -
                                      (model.rejected.sum - reference.rejected.sum)));
}

}  // namespace expo
