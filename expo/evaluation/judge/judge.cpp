#include "expo/evaluation/judge/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/judge/judge_exchange.h"
#include "expo/evaluation/judge/reply_details.h"
#include "expo/evaluation/judge/reply_preference.h"

namespace expo {
namespace {

constexpr double kDraw = 1.5;

void add(ChatUsage& sum, const ChatUsage& usage) {
  sum.prompt_tokens += usage.prompt_tokens;
  sum.completion_tokens += usage.completion_tokens;
}

/// Whether a judge is asked as alpaca_eval does by default, apart from the model and the template.
bool is_alpaca_evals(const JudgeOptions& options) {
  const ChatSampling usual;
  const ChatSampling& sampling = options.sampling;
  return options.order_seed == 0 && options.replicate == 0 &&
         sampling.max_tokens == usual.max_tokens && sampling.temperature == usual.temperature &&
         sampling.top_p == usual.top_p && sampling.top_logprobs == usual.top_logprobs;
}

}  // namespace

std::string annotator_name(const std::string& model) {
  if (model == "gpt-4-1106-preview") return "weighted_alpaca_eval_gpt4_turbo";
  return "weighted_alpaca_eval_" + model;
}

std::uint64_t JudgeResult::count(VerdictSource source) const {
  return static_cast<std::uint64_t>(std::ranges::count(rows, source, &JudgedRow::source));
}

Judge::Judge(const AnswerPairs& pairs, const JudgeTemplate& prompt, std::string origin,
             JudgeOptions options, const KnownAnnotations& known, JudgeCache& cache)
    : pairs_(pairs),
      template_(prompt),
      origin_(std::move(origin)),
      options_(std::move(options)),
      known_(known),
      cache_(cache) {
  if (options_.budget && !options_.prices)
    throw usage_error(
        fmt::format("a budget needs the prices of the judge's tokens, and those of {} are not "
                    "known; give them",
                    on_one_line(options_.sampling.model)));
  plan();
}

void Judge::plan() {
  for (std::uint64_t row = 0; row < pairs_.rows.size(); ++row)
    result_.rows.push_back(known_verdict(row));
}

/// The verdict on a row without asking; for a row that has to be asked, none, and it is pending.
JudgedRow Judge::known_verdict(std::uint64_t row) {
  const AnswerPair& pair = pairs_.rows[row];
  if (pair.baseline_output == pair.model_output)
    return {.preference = kDraw, .source = VerdictSource::same_answers};
  const bool switched = is_switched(pair.instruction, options_.order_seed);
  const JudgePrompt prompt = prompt_of(pair, switched);
  std::string key = request_key(origin_, options_.sampling, prompt.messages, template_.digest(),
                                switched, options_.replicate);
  if (auto known = annotated(pair, key)) return *std::move(known);
  if (prompt.altered) altered_.push_back(row);
  if (!prompt.impossible.empty()) return {.failure = prompt.impossible};
  if (const ChatReply* reply = cache_.find(key)) {
    if (const Verdict verdict = preference_of_reply(*reply, switched); verdict.preference)
      return {.preference = verdict.preference,
              .source = VerdictSource::cache,
              .details = reply_details(*reply),
              .request = std::move(key)};
  }
  pending_.push_back({row, std::move(key)});
  return {};
}

/// What an earlier run says of a pair that this one would ask about by the request with this key.
std::optional<JudgedRow> Judge::annotated(const AnswerPair& pair, const std::string& key) const {
  const auto row_of = [](const KnownAnnotation& known, const std::string& request) {
    return JudgedRow{.preference = known.preference,
                     .source = VerdictSource::annotation,
                     .details = known.details,
                     .request = request};
  };
  if (const KnownAnnotation* same = known_.find(pair, key)) return row_of(*same, key);
  const KnownAnnotation* unnamed = is_alpaca_evals(options_) ? known_.find(pair) : nullptr;
  return unnamed != nullptr ? std::optional(row_of(*unnamed, {})) : std::nullopt;
}

JudgePrompt Judge::prompt_of(const AnswerPair& pair, bool switched) const {
  return switched ? template_.render(pair.instruction, pair.model_output, pair.baseline_output)
                  : template_.render(pair.instruction, pair.baseline_output, pair.model_output);
}

ChatRequest Judge::request_of(std::uint64_t row) const {
  const AnswerPair& pair = pairs_.rows[row];
  return {row, prompt_of(pair, is_switched(pair.instruction, options_.order_seed)).messages};
}

JudgeEstimate Judge::estimate() const {
  JudgeEstimate estimate{.requests = pending_.size()};
  for (const Pending& pending : pending_) {
    const ChatRequest request = request_of(pending.row);
    add(estimate.likely, likely_usage(request, options_.sampling));
    add(estimate.largest, largest_usage(request, options_.sampling));
  }
  if (options_.prices) {
    estimate.likely_cost = options_.prices->of(estimate.likely);
    estimate.largest_cost = options_.prices->of(estimate.largest);
  }
  return estimate;
}

std::vector<std::string> Judge::warnings() const {
  if (altered_.empty()) return {};
  return {fmt::format(
      "{}: the instruction or an answer holds marks of the judge's prompt (such as <|im_end|>), so "
      "the judge is shown something else, as by alpaca_eval; this is so in {}",
      pairs_.rows[altered_.front()].place, counted(altered_.size(), "row"))};
}

JudgeResult Judge::run(ChatModel& model, const CancellationToken& cancellation,
                       RowProgress* progress) {
  if (model.origin() != origin_)
    throw std::logic_error("the model is not the one that the judge was planned for");
  JudgeExchange exchange(*this, progress);
  exchange.run(model, cancellation);
  return std::move(result_);
}

std::vector<std::string> failure_warnings(const AnswerPairs& pairs, const JudgeResult& result) {
  constexpr std::size_t kNamed = 5;
  std::vector<std::string> warnings;
  std::size_t failed = 0;
  for (std::size_t row = 0; row < result.rows.size(); ++row) {
    if (result.rows[row].preference) continue;
    if (failed++ < kNamed)
      warnings.push_back(fmt::format("{}: there is no preference: {}", pairs.rows[row].place,
                                     result.rows[row].failure));
  }
  if (failed > kNamed)
    warnings.push_back(fmt::format("{} of {} have no preference; the first {} are named above",
                                   failed, counted(result.rows.size(), "row"), kNamed));
  return warnings;
}

}  // namespace expo
