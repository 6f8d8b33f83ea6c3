#include "expo/served/vllm_dialect.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/served/answer_fields.h"

namespace expo {
namespace {

/// The options that only vLLM has, at the meaning that SamplingOptions has from it. Whatever is
/// left out would be the server's choice.
void add_own_options(Json& body, const AnswerOptions& options) {
  const SamplingOptions& sampling = options.sampling;
  body["top_k"] = sampling.top_k > 0 ? sampling.top_k : -1;
  body["min_p"] = sampling.min_p;
  body["repetition_penalty"] = sampling.repetition_penalty;
  body["ignore_eos"] = options.ignore_eos;
  body["min_tokens"] = 0;
  body["skip_special_tokens"] = true;
  body["include_stop_str_in_output"] = false;
  body["add_special_tokens"] = false;
}

}  // namespace

void VllmDialect::learn(const ServerFacts& facts, ServedModel& model) const {
  model.version = name_member(facts.get("/version"), "version", facts.address.url("/version"));
}

HttpRequest VllmDialect::answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                                        const AnswerOptions& options, std::uint64_t seed,
                                        const std::vector<TokenId>& ends) const {
  Json body = common_options(model, options, seed);
  add_own_options(body, options);
  std::vector<TokenId> stops = options.stop.tokens;
  if (!options.ignore_eos) stops.insert(stops.end(), ends.begin(), ends.end());
  body["stop_token_ids"] = stops;
  body["prompt"] = prompt.tokens;
  body["max_tokens"] = token_limit(options, model, prompt);
  body["echo"] = false;
  return {0, "/v1/completions", compact_json(body)};
}

HttpRequest VllmDialect::log_prob_request(const ServedModel& model,
                                          const std::vector<TokenId>& tokens) const {
  AnswerOptions options;
  options.sampling.temperature = 1;
  Json body = common_options(model, options, 0);
  add_own_options(body, options);
  body["prompt"] = tokens;
  body["max_tokens"] = 1;
  body["prompt_logprobs"] = 1;
  return {0, "/v1/completions", compact_json(body)};
}

std::vector<float> VllmDialect::read_log_probs(const HttpAnswer& answer,
                                               const std::vector<TokenId>& tokens,
                                               std::size_t first, const std::string& where) const {
  const Json& rows = member(only_choice(answer.json, where), "prompt_logprobs", where);
  if (!rows.is_array() || rows.size() != tokens.size()) {
    throw input_error(fmt::format("{}: the server gives no log-probability for each of {} tokens",
                                  where, tokens.size()));
  }
  check_prompt(prompt_tokens_used(answer.json, where), tokens.size(), where);
  std::vector<float> result;
  for (std::size_t i = first; i < tokens.size(); ++i) {
    const std::string what = fmt::format("the log-probability of token {}", i);
    const Json& of_token = member(rows.at(i), std::to_string(tokens[i]).c_str(), where);
    result.push_back(log_prob(member(of_token, "logprob", where), what, where));
  }
  return result;
}

HttpRequest VllmDialect::reward_request(const ServedModel& model,
                                        const std::vector<std::vector<TokenId>>& sequences,
                                        bool activated, bool by_pooling) const {
  Json body = {{"model", model.id},
               {"input", sequences},
               {"add_special_tokens", false},
               {"use_activation", activated}};
  if (by_pooling) body["task"] = "classify";
  return {0, by_pooling ? "/pooling" : "/classify", compact_json(body)};
}

std::vector<std::vector<float>> VllmDialect::read_rewards(const HttpAnswer& answer,
                                                          const std::vector<std::string>& places,
                                                          const std::string& where) const {
  std::vector<std::vector<float>> result;
  for (const Json* const row :
       rows_by_index(member(answer.json, "data", where), places.size(), where)) {
    const std::string& place = places[result.size()];
    const Json& values = member(*row, row->contains("probs") ? "probs" : "data", place);
    if (!values.is_array() || values.empty())
      throw input_error(fmt::format("{}: the server gives no reward of an answer", place));
    std::vector<float>& rewards = result.emplace_back();
    for (const Json& value : values) rewards.push_back(finite(value, "a reward", place));
  }
  return result;
}

std::vector<HttpRequest> VllmDialect::reload_requests(const std::string& folder) const {
  const Json reload = {{"method", "reload_weights"}, {"kwargs", {{"weights_path", folder}}}};
  // Keys and values of the old weights would answer for the new ones. A request needs some body to
  // be a POST.
  return {{0, "/collective_rpc", compact_json(reload)}, {0, "/reset_prefix_cache", "{}"}};
}

/// Its configuration as a text, in which "dtype=torch.bfloat16" stands among other members.
std::optional<DType> VllmDialect::weight_type(const ServerFacts& facts) const {
  const HttpAnswer answer = facts.ask("/server_info");
  if (answer.status == 404) return std::nullopt;
  if (answer.failure) throw *answer.failure;
  const std::string where = facts.address.url("/server_info");
  const std::string config = " " + text_member(answer.json, "vllm_config", where);
  const std::string mark = " dtype=torch.";
  const std::size_t begin = config.find(mark);
  if (begin == std::string::npos) return std::nullopt;
  const std::size_t name = begin + mark.size();
  const auto type = dtype_from_user(config.substr(name, config.find_first_of(", )", name) - name));
  if (type) return type;
  throw input_error(where + ": the server holds its weights in a type that expo does not write");
}

}  // namespace expo
