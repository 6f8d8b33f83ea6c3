#include "expo/served/openai_dialect.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/http/server_words.h"
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
                      "name the checkpoint with its template as the model's tokenizer",
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

/// Only an answer that ended at once has no content. A refusal, thoughts that used the limit up and
/// calls of tools are none.
void check_missing_content(const Json& message, std::uint64_t tokens, const std::string& where) {
  std::string instead;
  for (const auto& [key, value] : message.items()) {
    const bool may_replace = key == "refusal" || key.starts_with("reasoning") ||
                             key == "tool_calls" || key == "function_call";
    if (may_replace && !value.is_null() && value != "" && !(value.is_structured() && value.empty()))
      instead = key;
  }
  if (instead.empty() && tokens <= 1) return;
  throw input_error(fmt::format(
      "{}: the server gives no text for {} tokens{}; only a text can be taken for an answer", where,
      tokens, instead.empty() ? "" : fmt::format(", but \"{}\"", cut_words(instead))));
}

/// An empty list of stop strings is an error for some servers.
void leave_out_no_stop(Json& body) {
  if (body.at("stop").empty()) body.erase("stop");
}

}  // namespace

/// Older servers know only the old name of the limit, and some refuse what they do not know.
bool OpenAiDialect::adapt(ServedModel& model, const HttpAnswer& failed) const {
  const bool is_refused = failed.status >= 400 && failed.status < 500;
  if (!is_refused || failed.words.find("max_completion_tokens") == std::string::npos) return false;
  model.chat_limit = "max_tokens";
  return true;
}

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
  leave_out_no_stop(body);
  // Only what is set beyond this interface is sent beyond it: some of its servers refuse the names.
  const SamplingOptions& sampling = options.sampling;
  if (sampling.top_k > 0) body["top_k"] = sampling.top_k;
  if (sampling.min_p != 0) body["min_p"] = sampling.min_p;
  if (sampling.repetition_penalty != 1) body["repetition_penalty"] = sampling.repetition_penalty;
  if (!options.stop.tokens.empty()) body["stop_token_ids"] = options.stop.tokens;
  if (options.ignore_eos) body["ignore_eos"] = true;
  if (prompt.tokens.empty() && !raw_text_) {
    set_messages(body, prompt.conversation);
    body[model.chat_limit] = token_limit(options, model, prompt);
    return {0, "/v1/chat/completions", compact_json(body)};
  }
  body["prompt"] =
      prompt.tokens.empty() ? Json(raw_text_of(prompt.conversation)) : Json(prompt.tokens);
  body["max_tokens"] = token_limit(options, model, prompt);
  body["echo"] = false;
  return {0, "/v1/completions", compact_json(body)};
}

Answer OpenAiDialect::read_answer(const HttpAnswer& answer, const AskedAnswer& asked,
                                  const std::string& where) const {
  const Json& choice = only_choice(answer.json, where);
  Answer result;
  result.finish = finish_of(choice, where);
  result.tokens = tokens_used(answer.json, where);
  const std::uint64_t prompt_tokens = prompt_tokens_used(answer.json, where);
  if (asked.prompt_tokens > 0) check_prompt(prompt_tokens, asked.prompt_tokens, where);
  check_cut(result, asked, prompt_tokens, where);
  if (!choice.contains("message")) {
    result.text = text_member(choice, "text", where);
    return result;
  }
  const Json& message = member(choice, "message", where);
  if (member(message, "content", where).is_null()) {
    check_missing_content(message, result.tokens, where);
  } else {
    result.text = text_member(message, "content", where);
  }
  return result;
}

HttpRequest OpenAiDialect::log_prob_request(const ServedModel& model,
                                            const std::vector<TokenId>& tokens) const {
  AnswerOptions options;
  options.sampling.temperature = 1;
  Json body = common_options(model, options, 0);
  leave_out_no_stop(body);
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
  check_prompt(prompt_tokens_used(answer.json, where), tokens.size(), where);
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
        log_prob(values->at(i), fmt::format("the log-probability of token {}", i), where));
  return result;
}

}  // namespace expo
