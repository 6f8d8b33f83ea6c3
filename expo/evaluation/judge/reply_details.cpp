#include "expo/evaluation/judge/reply_details.h"

#include <utility>

namespace expo {
namespace {

Json to_json(const WeighedToken& token) {
  return {{"token", token.token}, {"logprob", token.log_prob}};
}

Json position_of(const ChatReply& reply, const std::vector<WeighedToken>& weighed) {
  Json tokens = Json::array();
  Json chosen;  // the one that was said, if it is among those that were weighed
  for (const WeighedToken& token : weighed) {
    if (token.token == reply.text) chosen = token.log_prob;
    tokens.push_back(to_json(token));
  }
  return {{"token", reply.text}, {"logprob", chosen}, {"top_logprobs", std::move(tokens)}};
}

}  // namespace

Json reply_details(const ChatReply& reply) {
  Json content = Json::array();
  for (const auto& weighed : reply.weighed.value()) content.push_back(position_of(reply, weighed));
  Json completion{{"index", 0},
                  {"logprobs", {{"content", std::move(content)}}},
                  {"message", {{"content", reply.text}, {"role", "assistant"}}},
                  {"text", reply.text}};
  if (reply.usage)
    completion["total_tokens"] = reply.usage->prompt_tokens + reply.usage->completion_tokens;
  return {{"preference_raw_completion", std::move(completion)}};
}

}  // namespace expo
