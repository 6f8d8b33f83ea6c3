#include "expo/evaluation/judge/judge_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/judge/reply_details.h"
#include "expo/evaluation/judge/reply_preference.h"

namespace expo {
namespace {

std::optional<double> budget_left(const JudgeOptions& options) {
  if (!options.budget) return std::nullopt;
  return std::max(0.0, *options.budget - options.spent);
}

}  // namespace

JudgeExchange::JudgeExchange(Judge& judge, RowProgress* progress)
    : judge_(judge), progress_(progress), budget_(budget_left(judge.options_)) {
  for (const Judge::Pending& pending : judge.pending_) waiting_.push_back({.pending = &pending});
}

void JudgeExchange::run(ChatModel& model, const CancellationToken& cancellation) {
  if (waiting_.empty()) return end();
  begin();
  try {
    model.ask(judge_.options_.sampling, *this, cancellation);
  } catch (...) {
    if (progress_ != nullptr) progress_->end();
    judge_.cache_.sync();
    throw;
  }
  if (progress_ != nullptr) progress_->end();
  if (!under_way_.empty()) throw std::logic_error("a request was neither answered nor refused");
  end();
}

void JudgeExchange::begin() {
  if (progress_ != nullptr) progress_->begin("asking the judge", waiting_.size());
}

void JudgeExchange::end() {
  judge_.cache_.sync();
  for (const Attempt& attempt : waiting_)
    judge_.result_.rows[attempt.pending->row].failure =
        fmt::format("the budget of ${} did not suffice", judge_.options_.budget.value_or(0));
  if (judge_.options_.prices) judge_.result_.cost = budget_.spent();
}

std::optional<ChatRequest> JudgeExchange::next() {
  if (waiting_.empty()) return std::nullopt;
  Attempt attempt = waiting_.front();
  ChatRequest request = judge_.request_of(attempt.pending->row);
  attempt.most = most_of(request);
  if (!budget_.reserve(attempt.most)) return std::nullopt;
  waiting_.pop_front();
  under_way_.emplace(request.id, attempt);
  ++judge_.result_.requests;
  return request;
}

double JudgeExchange::most_of(const ChatRequest& request) const {
  const JudgeOptions& options = judge_.options_;
  return options.prices ? options.prices->of(largest_usage(request, options.sampling)) : 0;
}

void JudgeExchange::take(std::uint64_t id, ChatReply reply) {
  const auto found = under_way_.find(id);
  if (found == under_way_.end())
    throw std::logic_error("a reply to a request that is not under way");
  const Attempt attempt = found->second;
  under_way_.erase(found);
  settle(attempt, reply);
  refuse_judge_without_log_probs(reply);
  refuse_judge_that_fails(reply);
  const AnswerPair& pair = judge_.pairs_.rows[id];
  const Verdict verdict =
      preference_of_reply(reply, is_switched(pair.instruction, judge_.options_.order_seed));
  if (verdict.preference) {
    keep(attempt, reply, *verdict.preference);
  } else {
    retry_or_give_up(attempt, reply, verdict.failure);
  }
}

void JudgeExchange::settle(const Attempt& attempt, const ChatReply& reply) {
  budget_.settle(attempt.most, cost_of(attempt, reply));
  if (!reply.usage) return;
  judge_.result_.usage.prompt_tokens += reply.usage->prompt_tokens;
  judge_.result_.usage.completion_tokens += reply.usage->completion_tokens;
  if (progress_ != nullptr)
    progress_->advance_tokens(reply.usage->prompt_tokens + reply.usage->completion_tokens);
}

/// What the server did not count is taken at its worst.
double JudgeExchange::cost_of(const Attempt& attempt, const ChatReply& reply) const {
  if (!judge_.options_.prices) return 0;
  if (reply.usage) return judge_.options_.prices->of(*reply.usage);
  return reply.failure.empty() || reply.may_cost ? attempt.most : 0;
}

/// Ends a run in which every answer would be paid for in vain.
void JudgeExchange::refuse_judge_without_log_probs(const ChatReply& reply) {
  constexpr std::uint64_t kEnough = 8;
  if (!reply.failure.empty()) return;
  ++answers_;
  if (reply.weighed) ++answers_with_log_probs_;
  if (answers_with_log_probs_ > 0 || answers_ < kEnough) return;
  throw environment_error(
      fmt::format("{}: the first {} answers of {} came without log-probabilities; a preference is "
                  "computed from those of m and M, so choose a judge that gives top_logprobs",
                  judge_.origin_, kEnough, judge_.options_.sampling.model));
}

/// Whether the judge has ever answered as it should.
bool JudgeExchange::has_verdict() const {
  return std::ranges::any_of(judge_.result_.rows, [](const JudgedRow& row) {
    return row.preference && row.source != VerdictSource::same_answers;
  });
}

/// Ends a run in which all that is left would fail too, and perhaps cost something. A request that
/// is refused for good says something of its own row, unless no other has been answered either.
void JudgeExchange::refuse_judge_that_fails(const ChatReply& reply) {
  constexpr std::uint64_t kEnough = 8;
  if (reply.failure.empty()) {
    failures_in_a_row_ = 0;
    return;
  }
  if (reply.is_final && !reply.may_cost && has_verdict()) return;
  if (++failures_in_a_row_ < kEnough || waiting_.empty()) return;
  throw environment_error(fmt::format(
      "{}; the {} before it failed too, so the {} left are not asked now; what was answered is "
      "kept, and the same command goes on from it",
      reply.failure, counted(kEnough - 1, "request"), counted(waiting_.size(), "row")));
}

void JudgeExchange::keep(const Attempt& attempt, const ChatReply& reply, double preference) {
  constexpr std::uint64_t kSyncedTogether = 32;
  judge_.cache_.add(attempt.pending->key, reply, judge_.options_.sampling.model);
  if (++unsynced_ % kSyncedTogether == 0) judge_.cache_.sync();
  judge_.result_.rows[attempt.pending->row] = {.preference = preference,
                                               .source = VerdictSource::reply,
                                               .details = reply_details(reply),
                                               .request = attempt.pending->key};
  finish_row();
}

void JudgeExchange::retry_or_give_up(Attempt attempt, const ChatReply& reply,
                                     const std::string& failure) {
  if (!reply.is_final && attempt.number < judge_.options_.attempts) {
    ++attempt.number;
    waiting_.push_back(attempt);
    return;
  }
  JudgedRow& row = judge_.result_.rows[attempt.pending->row];
  row.failure = attempt.number == 1
                    ? failure
                    : fmt::format("{} (asked {})", failure, counted(attempt.number, "time"));
  finish_row();
}

void JudgeExchange::finish_row() {
  if (progress_ != nullptr) progress_->advance_rows(1);
}

}  // namespace expo
