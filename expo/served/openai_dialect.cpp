#include "expo/served/openai_dialect.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/served/answer_fields.h"
#include "expo/text/chat.h"

namespace expo {
namespace {

/// The messages, and what else of a row this interface has a place for.
void set_messages(Json& body, const Conversation& conversation) {
  body["messages"] = conversation.chat.messages;
  for (const auto& [key, value] : conversation.chat.variables.items()) {
    if (key != "tools") {
      throw usage_error(
          fmt::format("{}: the row sets {} for the chat template, which the server applies here; "
                      "name the checkpoint with its template by --tokenizer",
                      conversation.place, key));
    }
    body[key] = value;
  }
}

std::string raw_text_of(const Conversation& conversation) {
  const Json& messages = conversation.chat.messages;
  if (messages.size() == 1) return content_text(messages.front());
  throw input_error(conversation.place +
                    ": it has several turns, which only a chat template can join; "
                    "--no-chat-template takes only single prompts");
}

}  // namespace

std::size_t token_limit(const AnswerOptions& options, const ServedModel& model,
                        const OutgoingPrompt& prompt) {
  if (!options.stop.max_tokens) {
    throw usage_error(
        "an answer of a server needs a limit, as servers have small ones of their own; give "
        "--max-new-tokens");
  }
  const std::size_t most = *options.stop.max_tokens;
  const std::size_t used = prompt.tokens.size();
  return model.context > used ? std::min(most, model.context - used) : most;
}

Json common_options(const ServedModel& model, const AnswerOptions& options, std::uint64_t seed) {
  const SamplingOptions& sampling = options.sampling;
  return {{"model", model.id},
          {"n", 1},
          {"stream", false},
          {"seed", seed},
          {"temperature", sampling.temperature},
          {"top_p", sampling.top_p},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"stop", options.stop.strings}};
}

std::vector<std::string> OpenAiDialect::misread(const AnswerOptions& options) const {
  const SamplingOptions& sampling = options.sampling;
  std::vector<std::string> names;
  if (sampling.top_k > 0) names.emplace_back("--top-k");
  if (sampling.min_p != 0) names.emplace_back("--min-p");
  if (sampling.repetition_penalty != 1) names.emplace_back("--repetition-penalty");
  if (!options.stop.tokens.empty()) names.emplace_back("--stop-token-id");
  if (options.ignore_eos) names.emplace_back("--ignore-eos");
  return names;
}

HttpRequest OpenAiDialect::answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                                          const AnswerOptions& options, std::uint64_t seed,
                                          const std::vector<TokenId>&) const {
  Json body = common_options(model, options, seed);
  // Only what is set beyond this interface is sent beyond it: some of its servers refuse the names.
  const SamplingOptions& sampling = options.sampling;
  if (sampling.top_k > 0) body["top_k"] = sampling.top_k;
  if (sampling.min_p != 0) body["min_p"] = sampling.min_p;
  if (sampling.repetition_penalty != 1) body["repetition_penalty"] = sampling.repetition_penalty;
  if (!options.stop.tokens.empty()) body["stop_token_ids"] = options.stop.tokens;
  if (options.ignore_eos) body["ignore_eos"] = true;
  if (prompt.tokens.empty() && !raw_text_) {
    set_messages(body, prompt.conversation);
    body["max_completion_tokens"] = token_limit(options, model, prompt);
    return {0, "/v1/chat/completions", compact_json(body)};
  }
  body["prompt"] =
      prompt.tokens.empty() ? Json(raw_text_of(prompt.conversation)) : Json(prompt.tokens);
  body["max_tokens"] = token_limit(options, model, prompt);
  body["echo"] = false;
  return {0, "/v1/completions", compact_json(body)};
}

Answer OpenAiDialect::read_answer(const HttpAnswer& answer, const std::string& where) const {
  const Json& choice = only_choice(answer.json, where);
  Answer result;
  result.finish = finish_of(choice, where);
  result.tokens = tokens_used(answer.json, where);
  if (!choice.contains("message")) {
    result.text = text_member(choice, "text", where);
    return result;
  }
  // Null is the content of an answer that ended at once.
  const Json& content = member(member(choice, "message", where), "content", where);
  if (!content.is_null()) result.text = text_member(choice.at("message"), "content", where);
  return result;
}

HttpRequest OpenAiDialect::log_prob_request(const ServedModel& model,
                                            const std::vector<TokenId>& tokens) const {
  AnswerOptions options;
  options.sampling.temperature = 1;
  Json body = common_options(model, options, 0);
  body["prompt"] = tokens;
  body["max_tokens"] = 1;
  body["echo"] = true;
  body["logprobs"] = 1;
  return {0, "/v1/completions", compact_json(body)};
}

std::vector<float> OpenAiDialect::read_log_probs(const HttpAnswer& answer,
                                                 const std::vector<TokenId>& tokens,
                                                 std::size_t first,
                                                 const std::string& where) const {
  const Json& choice = only_choice(answer.json, where);
  const Json* values = nullptr;
  if (choice.contains("logprobs") && choice.at("logprobs").is_object())
    values = &member(choice.at("logprobs"), "token_logprobs", where);
  // The prompt's tokens, and the one that had to be generated, unless it was an end token.
  if (values == nullptr || !values->is_array() || values->size() < tokens.size() ||
      values->size() > tokens.size() + 1) {
    throw input_error(
        fmt::format("{}: the server gives no log-probabilities of a prompt's tokens (by echo and "
                    "logprobs); use another kind of server, or run the model here",
                    where));
  }
  std::vector<float> result;
  for (std::size_t i = first; i < tokens.size(); ++i)
    result.push_back(
        finite(values->at(i), fmt::format("the log-probability of token {}", i), where));
  return result;
}

}  // namespace expo
