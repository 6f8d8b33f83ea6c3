#include "expo/evaluation/judge/served/served_chat_model.h"

#include <utility>

#include "expo/core/error.h"
#include "expo/evaluation/judge/served/chat_messages.h"
#include "expo/http/retry_policy.h"
#include "expo/served/model_check.h"
#include "expo/served/served_models.h"

namespace expo {
namespace {

constexpr long kUnauthorised = 401;
constexpr long kPaymentRequired = 402;
constexpr long kForbidden = 403;
constexpr long kNotFound = 404;
constexpr long kTooManyRequests = 429;

HttpOptions http_options(const ChatServer& server) {
  HttpOptions options;
  options.most_in_flight = server.max_requests;
  options.wait_for_answers(server.answer_seconds);
  options.repeat_unanswered = false;
  options.key_option = server.key_option;
  return options;
}

ChatReply failed_reply(const HttpAnswer& answer) {
  const bool came_whole = answer.kind == HttpFailure::refused;
  const bool may_come = may_retry(answer.status, answer.words);
  return {.failure = answer.failure->what(),
          .is_final = came_whole ? !may_come : answer.kind == HttpFailure::late,
          .may_cost = !came_whole};
}

}  // namespace

ServedChatModel::ServedChatModel(const ChatServer& server)
    : kind_(server.kind),
      client_(ServerAddress(server.url, "--judge"),
              ApiKey::from_environment(server.key_variable, server.key_option),
              http_options(server)) {}

void ServedChatModel::ask(const ChatSampling& sampling, ChatExchange& exchange,
                          const CancellationToken& cancellation) {
  sampling_ = sampling;
  // Under a folder's name too, which is not that of requests.
  sampling_.model = find_served_model(facts_of(client_, cancellation), sampling.model).id;
  in_flight_.clear();
  again_.clear();
  client_.run([&] { return next(exchange); },
              [&](HttpAnswer answer) { receive(std::move(answer), exchange); }, cancellation);
}

std::optional<HttpRequest> ServedChatModel::next(ChatExchange& exchange) {
  std::optional<ChatRequest> request;
  if (again_.empty()) {
    request = exchange.next();
    if (!request) return std::nullopt;
  } else {
    request = std::move(again_.front());
    again_.pop_front();
  }
  HttpRequest outgoing{request->id, "/v1/chat/completions",
                       compact_json(chat_body(kind_, sampling_, request->messages, limit_))};
  in_flight_.insert_or_assign(request->id, Sent{*std::move(request), limit_});
  return outgoing;
}

void ServedChatModel::receive(HttpAnswer answer, ChatExchange& exchange) {
  Sent sent = std::move(in_flight_.extract(answer.tag).mapped());
  if (is_to_be_sent_again(answer, sent)) {
    again_.push_back(std::move(sent.request));
    return;
  }
  refuse_whole_run(answer);
  has_answered_ |= answer.kind == HttpFailure::none;
  exchange.take(answer.tag,
                answer.failure ? failed_reply(answer) : read_chat_reply(answer.json, sampling_));
}

/// Newer servers know only the new name of the limit, and refuse the old one with it.
bool ServedChatModel::is_to_be_sent_again(const HttpAnswer& answer, const Sent& sent) {
  constexpr const char* kNewName = "max_completion_tokens";
  const bool is_refused = answer.status >= 400 && answer.status < 500;
  if (!is_refused || sent.limit == kNewName || answer.words.find(kNewName) == std::string::npos)
    return false;
  limit_ = kNewName;
  return true;
}

/// Throws where every other request would fail for the same reason. What could also be said of a
/// single text (403 by a filter of contents, 404) is taken so only while nothing was answered.
void ServedChatModel::refuse_whole_run(const HttpAnswer& answer) const {
  if (!answer.failure) return;
  const long status = answer.status;
  const bool is_redirection = status >= 300 && status < 400;
  const bool has_no_credit = status == kPaymentRequired ||
                             (status == kTooManyRequests && !may_retry(status, answer.words));
  const bool is_never_right = !has_answered_ && (status == kForbidden || status == kNotFound);
  const bool is_refused =
      answer.kind == HttpFailure::refused &&
      (is_redirection || has_no_credit || is_never_right || status == kUnauthorised);
  if (is_refused || answer.kind == HttpFailure::unreachable) throw *answer.failure;
}

}  // namespace expo
