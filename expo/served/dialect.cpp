#include "expo/served/dialect.h"

#include <stdexcept>
#include <utility>

#include "expo/served/llama_dialect.h"
#include "expo/served/openai_dialect.h"
#include "expo/served/vllm_dialect.h"

namespace expo {

Json ServerFacts::get(const std::string& path) const {
  HttpAnswer answer = ask(path);
  if (answer.failure) throw *answer.failure;
  return std::move(answer.json);
}

void Dialect::learn(const ServerFacts&, ServedModel&) const {}

bool Dialect::adapt(ServedModel&, const HttpAnswer&) const {
  return false;
}

HttpRequest Dialect::log_prob_request(const ServedModel&, const std::vector<TokenId>&) const {
  throw std::logic_error("this kind of server has no log-probabilities");
}

std::vector<float> Dialect::read_log_probs(const HttpAnswer&, const std::vector<TokenId>&,
                                           std::size_t, const std::string&) const {
  throw std::logic_error("this kind of server has no log-probabilities");
}

HttpRequest Dialect::reward_request(const ServedModel&, const std::vector<std::vector<TokenId>>&,
                                    bool, bool) const {
  throw std::logic_error("this kind of server has no rewards");
}

std::vector<std::vector<float>> Dialect::read_rewards(const HttpAnswer&,
                                                      const std::vector<std::string>&,
                                                      const std::string&) const {
  throw std::logic_error("this kind of server has no rewards");
}

std::vector<HttpRequest> Dialect::reload_requests(const std::string&) const {
  throw std::logic_error("this kind of server reads no checkpoints while it runs");
}

std::optional<DType> Dialect::weight_type(const ServerFacts&) const {
  return std::nullopt;
}

std::unique_ptr<Dialect> make_dialect(const ServedSpec& spec) {
  switch (spec.kind) {
    case ServerKind::vllm:
      return std::make_unique<VllmDialect>();
    case ServerKind::llama_server:
      return std::make_unique<LlamaDialect>();
    case ServerKind::openai:
      break;
  }
  return std::make_unique<OpenAiDialect>(spec.raw_text);
}

}  // namespace expo
