#include "expo/search/live/live_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <iterator>
#include <unordered_set>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/engine/answer_settings.h"
#include "expo/engine/row_progress_span.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {
namespace {

/// All options but the limit, which is the key's own part.
Json settings_without_limit(const AnswerOptions& options) {
  Json settings = answer_settings(options);
  settings.erase("max_new_tokens");
  return settings;
}

/// Beyond it, sums of squares lose what tells scores apart.
constexpr double kLargestScore = 1e15;

/// A cap on answers for the time of its life.
class CapInForce {
 public:
  CapInForce(std::optional<std::size_t>& place, std::size_t cap) : place_(place), before_(place) {
    place_ = cap;
  }
  ~CapInForce() { place_ = before_; }
  CapInForce(const CapInForce&) = delete;
  CapInForce& operator=(const CapInForce&) = delete;

 private:
  std::optional<std::size_t>& place_;
  std::optional<std::size_t> before_;
};

std::string digest(const Json& facts) {
  return text_digest(compact_json(facts));
}

}  // namespace

LiveScoreSource::LiveScoreSource(std::vector<Policy> policies,
                                 std::vector<LiveCandidate> candidates,
                                 const std::vector<Prompt>& prompts,
                                 std::vector<AnswerScorer*> scorers, AnswerCache& cache,
                                 LiveOptions options, RowProgress* progress,
                                 const CancellationToken& cancellation)
    : candidates_(std::move(policies), settings_without_limit(options.answer), cancellation),
      prompts_(prompts),
      scorers_(std::move(scorers)),
      cache_(cache),
      options_(std::move(options)),
      progress_(progress),
      cancellation_(cancellation) {
  if (options_.further.size() + 1 != scorers_.size())
    throw usage_error("a source of scores has another number of scorers than of their names");
  for (const AnswerScorer* scorer : scorers_) {
    scorer->check(prompts_);
    scorer_digests_.push_back(digest(scorer->identity()));
  }
  for (const Prompt& prompt : prompts_) {
    conversations_.push_back({prompt.chat, prompt.id, prompt.place});
    prompt_digests_.push_back(digest({prompt.id, prompt.chat.messages, prompt.chat.variables}));
    row_digests_.push_back(digest(prompt.row));
  }
  for (LiveCandidate& candidate : candidates) add(std::move(candidate));
}

AnswerOptions LiveScoreSource::present_options() const {
  AnswerOptions options = options_.answer;
  if (cap_) options.stop.max_tokens = std::min(*cap_, options.stop.max_tokens.value_or(*cap_));
  return options;
}

AnswerKey LiveScoreSource::key_of(const ScoreRequest& request) const {
  return {digest({candidates_.digest(request.candidate), prompt_digests_.at(request.prompt),
                  request.sample}),
          present_options().stop.max_tokens};
}

const KeptAnswer* LiveScoreSource::answer_of(const ScoreRequest& request) const {
  return cache_.find(key_of(request));
}

std::vector<std::optional<double>> LiveScoreSource::scores_of(const ScoreRequest& request) const {
  const KeptAnswer* answer = answer_of(request);
  std::vector<std::optional<double>> result(scorers_.size());
  for (std::size_t i = 0; answer != nullptr && i < scorers_.size(); ++i) {
    const auto name = score_name(i, request);
    const auto found = name ? answer->scores.find(*name) : answer->scores.end();
    if (found != answer->scores.end()) result[i] = found->second;
  }
  return result;
}

void LiveScoreSource::answer_missing(std::span<const ScoreRequest> requests) {
  // One policy after the other, as their engines may take turns.
  std::set<std::pair<std::size_t, std::size_t>> wanted;
  for (const ScoreRequest& request : requests)
    wanted.emplace(candidates_[request.candidate].policy, request.candidate);
  for (const auto& [policy, candidate] : wanted) answer(candidate, missing(requests, candidate));
}

std::vector<Glance> LiveScoreSource::glance(std::span<const ScoreRequest> requests,
                                            std::uint64_t cap) {
  const CapInForce in_force(cap_, cap);
  answer_missing(requests);
  std::vector<Glance> result;
  for (const ScoreRequest& request : requests) result.push_back(glance_at(request, cap));
  return result;
}

Glance LiveScoreSource::glance_at(const ScoreRequest& request, std::uint64_t cap) const {
  const KeptAnswer& answer = *answer_of(request);
  const bool is_lower = cap < options_.answer.stop.max_tokens.value_or(SIZE_MAX);
  const bool is_cut = is_lower && answer.finish == FinishReason::length && answer.tokens >= cap;
  const Collapse collapse = collapse_of(answer.text, answer.finish);
  const bool is_whole = collapse == Collapse::endless && !is_cut;
  return {answer.tokens, is_cut, is_whole ? Collapse::none : collapse, !answer.ids.empty()};
}

std::vector<Score> LiveScoreSource::scores(std::span<const ScoreRequest> requests) {
  answer_missing(requests);
  for (std::size_t scorer = 0; scorer < scorers_.size(); ++scorer) judge(scorer, requests);
  std::vector<Score> result;
  for (const ScoreRequest& request : requests) result.push_back(score_of(request));
  return result;
}

/// The candidate's requests without an answer, each once, in the order of prompts and samples.
std::vector<ScoreRequest> LiveScoreSource::missing(std::span<const ScoreRequest> requests,
                                                   std::size_t candidate) const {
  std::set<std::pair<std::size_t, std::uint32_t>> places;
  for (const ScoreRequest& request : requests) {
    if (request.candidate == candidate && answer_of(request) == nullptr)
      places.emplace(request.prompt, request.sample);
  }
  std::vector<ScoreRequest> result;
  for (const auto& [prompt, sample] : places) result.push_back({candidate, prompt, sample});
  return result;
}

void LiveScoreSource::answer(std::size_t candidate, std::span<const ScoreRequest> requests) {
  if (requests.empty()) return;
  cancellation_.check();
  Engine& engine = candidates_.engine_at(candidates_[candidate], cancellation_);
  std::vector<AnswerTask> tasks;
  for (const ScoreRequest& request : requests) {
    tasks.push_back({request.prompt, request.sample});
    if (const KeptAnswer* cut = cache_.begun(key_of(request))) tasks.back().begun = cut->ids;
  }
  RowProgressSpan span(progress_, "answering, " + candidates()[candidate].label, tasks.size());
  const auto advance = [&](std::uint64_t tokens) {
    work_.tokens += tokens;
    span.advance_tokens(tokens);
  };
  const auto sink = [&](Answer answer) {
    if (!cap_) answer.ids.clear();  // no larger limit will ask for it
    keep({candidate, answer.task.prompt, answer.task.sample}, answer);
    span.advance_rows(1);
  };
  work_.seconds +=
      engine.answer(conversations_, tasks, present_options(), sink, advance, cancellation_).seconds;
}

void LiveScoreSource::keep(const ScoreRequest& request, const Answer& answer) {
  cache_.add(key_of(request), answer,
             {{"candidate", candidates()[request.candidate].label},
              {"prompt", prompts_[request.prompt].id},
              {"sample", request.sample}});
  ++work_.answers;
}

/// Has one scorer judge those answers that it has not judged yet, each once.
void LiveScoreSource::judge(std::size_t scorer, std::span<const ScoreRequest> requests) {
  answer_baseline(scorer, requests);
  std::vector<std::string> names;
  std::unordered_set<const KeptAnswer*> seen;
  std::vector<const KeptAnswer*> answers;
  std::vector<ScorableAnswer> scorable;
  for (const ScoreRequest& request : requests) {
    const KeptAnswer* answer = answer_of(request);
    std::string name = score_name(scorer, request).value();
    if (answer->scores.contains(name) || !seen.insert(answer).second) continue;
    names.push_back(std::move(name));
    answers.push_back(answer);
    scorable.push_back({&prompts_[request.prompt], request.sample, answer->text, answer->finish});
    if (scorers_[scorer]->compares()) scorable.back().baseline = baseline_answer(request)->text;
  }
  if (scorable.empty()) return;
  RowProgressSpan span(progress_, "scoring, " + scorers_[scorer]->name(), scorable.size());
  const auto sink = [&](std::size_t index, double score) {
    if (!(std::abs(score) <= kLargestScore)) {
      throw input_error(fmt::format(
          "{}: the score of the answer by the {} is {}, not a finite number of at most 1e15",
          place_of(scorable.at(index)), scorers_[scorer]->name(), score));
    }
    cache_.add_score(*answers.at(index), names.at(index), score);
    ++work_.scored;
    span.advance_rows(1);
  };
  trust(scorer, [&] { scorers_[scorer]->score(scorable, sink, cancellation_); });
  cache_.sync();
}

void LiveScoreSource::finish() {
  std::exception_ptr first;
  for (std::size_t i = 0; i < scorers_.size(); ++i) {
    try {
      trust(i, [&] { scorers_[i]->finish(); });
    } catch (...) {  // The others may have something to tell, too.
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

/// Takes the scorer's scores back if its failure shows that they may be wrong.
void LiveScoreSource::trust(std::size_t scorer, const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    if (scorers_[scorer]->is_doubtful()) cache_.void_scores(scorer_digests_[scorer] + "/");
    throw;
  }
}

void LiveScoreSource::answer_baseline(std::size_t scorer, std::span<const ScoreRequest> requests) {
  if (!scorers_[scorer]->compares()) return;
  std::vector<ScoreRequest> of_baseline(requests.begin(), requests.end());
  for (ScoreRequest& request : of_baseline) request.candidate = baseline_;
  answer_missing(of_baseline);
}

const KeptAnswer* LiveScoreSource::baseline_answer(const ScoreRequest& request) const {
  return answer_of({baseline_, request.prompt, request.sample});
}

std::optional<std::string> LiveScoreSource::score_name(std::size_t scorer,
                                                       const ScoreRequest& request) const {
  std::string name = scorer_digests_.at(scorer) + "/" + row_digests_.at(request.prompt);
  if (!scorers_[scorer]->compares()) return name;
  const KeptAnswer* baseline = baseline_answer(request);
  if (baseline == nullptr) return std::nullopt;
  return name + "/" + text_digest(baseline->text);
}

Score LiveScoreSource::score_of(const ScoreRequest& request) const {
  const KeptAnswer& answer = *answer_of(request);
  std::vector<double> measures;
  for (std::size_t scorer = 1; scorer < scorers_.size(); ++scorer)
    measures.push_back(answer.scores.at(score_name(scorer, request).value()));
  std::ranges::move(measures_of(answer.text), std::back_inserter(measures));
  return {.score = answer.scores.at(score_name(0, request).value()),
          .length = static_cast<double>(count_characters(answer.text)),
          .tokens = answer.tokens,
          .ending = answer.finish == FinishReason::length ? Ending::length : Ending::stop,
          .measures = std::move(measures),
          .collapse = collapse_of(answer.text, answer.finish)};
}

}  // namespace expo
