#include "expo/served/llama_dialect.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/http/server_words.h"
#include "expo/served/answer_fields.h"
#include "expo/served/openai_dialect.h"

namespace expo {
namespace {

/// The scales that the server has at this moment. They go out with every request, so that nobody
/// else's change of them reaches an answer.
Json adapters_of(const Json& answer, const std::string& where) {
  if (!answer.is_array())
    throw input_error(fmt::format("{}: the server gives no list of adapters", where));
  Json result = Json::array();
  for (const Json& each : answer) {
    result.push_back(
        {{"id", count_member(each, "id", where)},
         {"scale", finite(member(each, "scale", where), "an adapter's scale", where)}});
  }
  return result;
}

/// The numbers of adapters are given anew at each start of the server: only the files say which
/// ones they are.
Json adapter_paths_of(const Json& answer, const std::string& where) {
  Json result = Json::array();
  for (const Json& each : answer)
    result.push_back(each.contains("path") ? name_member(each, "path", where) : "");
  return result;
}

}  // namespace

void LlamaDialect::learn(const ServerFacts& facts, ServedModel& model) const {
  const Json props = facts.get("/props");
  const std::string where = facts.address.url("/props");
  const auto slot =
      count_member(member(props, "default_generation_settings", where), "n_ctx", where);
  // It keeps the last place of its context empty: what fills it counts as cut off.
  model.context = slot > 0 ? slot - 1 : 0;
  model.root = name_member(props, "model_path", where);
  if (props.contains("build_info")) model.version = name_member(props, "build_info", where);
  const Json adapters = facts.get("/lora-adapters");
  model.adapters = adapters_of(adapters, facts.address.url("/lora-adapters"));
  model.adapter_paths = adapter_paths_of(adapters, facts.address.url("/lora-adapters"));
}

/// Its presence and frequency penalties count the prompt's tokens too, it has no further end
/// tokens, and where it ignores the end tokens it cannot write them either.
std::vector<std::string> LlamaDialect::misread(const AnswerOptions& options) const {
  std::vector<std::string> names;
  if (options.sampling.presence_penalty != 0) names.emplace_back("--presence-penalty");
  if (options.sampling.frequency_penalty != 0) names.emplace_back("--frequency-penalty");
  if (options.ignore_eos) names.emplace_back("--ignore-eos");
  return names;
}

HttpRequest LlamaDialect::answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                                         const AnswerOptions& options, std::uint64_t seed,
                                         const std::vector<TokenId>&) const {
  const SamplingOptions& sampling = options.sampling;
  if (!options.stop.tokens.empty())
    throw usage_error("--stop-token-id: llama-server ends answers at text only; give --stop TEXT");
  // Samplers in the order of vLLM: left alone, it would filter before the temperature, and by min_p
  // last. Penalties look back over the whole context, which newer versions no longer know as −1.
  const Json body = {
      {"prompt", prompt.tokens},
      {"n_predict", token_limit(options, model, prompt)},
      {"stream", false},
      {"cache_prompt", false},
      {"return_tokens", true},
      {"seed", seed >> 22},  // of 53 bits 31, as it takes 32 with one value for "any"
      {"samplers", {"penalties", "temperature", "min_p", "top_k", "top_p"}},
      {"temperature", sampling.temperature},
      {"dynatemp_range", 0},
      {"top_k", sampling.top_k > 0 ? sampling.top_k : 0},
      {"top_p", sampling.top_p},
      {"min_p", sampling.min_p},
      {"typical_p", 1},
      {"repeat_penalty", sampling.repetition_penalty},
      {"repeat_last_n", model.context + 1},
      {"presence_penalty", sampling.presence_penalty},
      {"frequency_penalty", sampling.frequency_penalty},
      {"dry_multiplier", 0},
      {"xtc_probability", 0},
      {"mirostat", 0},
      {"min_keep", 0},
      {"n_probs", 0},
      {"ignore_eos", options.ignore_eos},
      {"stop", options.stop.strings},
      {"lora", model.adapters}};
  return {0, "/completion", compact_json(body)};
}

Answer LlamaDialect::read_answer(const HttpAnswer& answer, const AskedAnswer& asked,
                                 const std::string& where) const {
  const Json& json = answer.json;
  if (member(json, "truncated", where) != false) {
    throw input_error(
        fmt::format("{}: prompt and answer did not fit the server's context; start it with a "
                    "larger one (-c), or give a smaller --max-new-tokens",
                    where));
  }
  Answer result;
  result.text = text_member(json, "content", where);
  result.tokens = count_member(json, "tokens_predicted", where);
  const std::string type = text_member(json, "stop_type", where);
  if (type != "eos" && type != "word" && type != "limit")
    throw input_error(fmt::format("{}: the answer was not ended (\"{}\")", where, cut_words(type)));
  result.finish = type == "limit" ? FinishReason::length : FinishReason::stop;
  check_prompt(count_member(json, "tokens_evaluated", where), asked.prompt_tokens, where);
  check_cut(result, asked, asked.prompt_tokens, where);
  return result;
}

}  // namespace expo
