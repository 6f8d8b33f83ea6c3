#include "expo/evaluation/judge/served/chat_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "expo/http/server_words.h"

namespace expo {
namespace {

/// The member of this name, or null if there is none.
const Json& member(const Json& object, const char* name) {
  static const Json null;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? null : *found;
}

void add_own_options(Json& body, ServerKind kind) {
  if (kind == ServerKind::vllm) {
    body["top_k"] = -1;
    body["min_p"] = 0;
    body["repetition_penalty"] = 1;
    body["ignore_eos"] = false;
    body["min_tokens"] = 0;
  }
  if (kind == ServerKind::llama_server) {
    body["top_k"] = 0;
    body["min_p"] = 0;
    body["repeat_penalty"] = 1;
    body["cache_prompt"] = false;
  }
}

/// vLLM lists the token that it has drawn first, and cuts the list to this length only then: one
/// that is not among the most likely takes the place of the last of them.
std::uint64_t asked_tokens(ServerKind kind, const ChatSampling& sampling) {
  return sampling.top_logprobs + (kind == ServerKind::vllm ? 1 : 0);
}

std::optional<ChatUsage> usage_of(const Json& answer) {
  const Json& usage = member(answer, "usage");
  const Json& prompt = member(usage, "prompt_tokens");
  const Json& completion = member(usage, "completion_tokens");
  if (!prompt.is_number_unsigned() || !completion.is_number_unsigned()) return std::nullopt;
  return ChatUsage{prompt.get<std::uint64_t>(), completion.get<std::uint64_t>()};
}

WeighedToken weighed_token(const Json& entry) {
  const Json& token = member(entry, "token");
  const Json& value = member(entry, "logprob");
  return {token.is_string() ? token.get<std::string>() : std::string(),
          value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN()};
}

/// Leaves the most likely ones. What has no log-probability stays, as a letter's lack of one fails.
void keep_likeliest(std::vector<WeighedToken>& tokens, std::size_t most) {
  if (tokens.size() <= most) return;
  const auto rank = [](const WeighedToken& one) {
    return std::isnan(one.log_prob) ? std::numeric_limits<double>::infinity() : one.log_prob;
  };
  std::ranges::stable_sort(tokens, std::ranges::greater(), rank);
  tokens.resize(most);
}

std::optional<std::vector<std::vector<WeighedToken>>> weighed_tokens(const Json& choice,
                                                                     std::size_t most) {
  const Json& content = member(member(choice, "logprobs"), "content");
  if (!content.is_array() || content.empty()) return std::nullopt;
  std::vector<std::vector<WeighedToken>> weighed;
  for (const Json& position : content) {
    auto& tokens = weighed.emplace_back();
    const Json& entries = member(position, "top_logprobs");
    for (const Json& entry : entries.is_array() ? entries : Json::array())
      tokens.push_back(weighed_token(entry));
    keep_likeliest(tokens, most);
  }
  const bool has_any = std::ranges::any_of(weighed, [](const auto& each) { return !each.empty(); });
  return has_any ? std::optional(std::move(weighed)) : std::nullopt;
}

}  // namespace

Json chat_body(ServerKind kind, const ChatSampling& sampling, const Json& messages,
               const std::string& limit) {
  Json body{{"model", sampling.model},
            {"messages", messages},
            {limit, sampling.max_tokens},
            {"temperature", sampling.temperature},
            {"top_p", sampling.top_p},
            {"presence_penalty", 0},
            {"frequency_penalty", 0},
            {"logprobs", true},
            {"top_logprobs", asked_tokens(kind, sampling)},
            {"n", 1},
            {"stream", false}};
  add_own_options(body, kind);
  return body;
}

ChatReply read_chat_reply(const Json& answer, const ChatSampling& sampling) {
  ChatReply reply{.usage = usage_of(answer)};
  const Json& choices = member(answer, "choices");
  if (!choices.is_array() || choices.size() != 1 || !choices.front().is_object()) {
    reply.failure = "the server's answer holds no choice, as an answer to a chat does";
    reply.may_cost = true;
    return reply;
  }
  const Json& message = member(choices.front(), "message");
  if (const Json& refusal = member(message, "refusal"); refusal.is_string() && refusal != "") {
    reply.failure = fmt::format("the judge refuses: \"{}\"", cut_words(refusal.get<std::string>()));
    reply.may_cost = true;
    return reply;
  }
  if (const Json& content = member(message, "content"); content.is_string())
    reply.text = content.get<std::string>();
  reply.weighed = weighed_tokens(choices.front(), sampling.top_logprobs);
  return reply;
}

}  // namespace expo
