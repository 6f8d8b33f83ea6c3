#pragma once

#include "expo/served/openai_dialect.h"

namespace expo {

/// vLLM, whose sampling options are expo's. Rewards are those of a …ForSequenceClassification.
class VllmDialect final : public OpenAiDialect {
 public:
  VllmDialect() : OpenAiDialect(false) {}

  void learn(const ServerFacts& facts, ServedModel& model) const override;
  std::vector<std::string> watched() const override { return {"/v1/models", "/version"}; }
  std::vector<std::string> misread(const AnswerOptions&) const override { return {}; }
  HttpRequest answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                             const AnswerOptions& options, std::uint64_t seed,
                             const std::vector<TokenId>& ends) const override;
  HttpRequest log_prob_request(const ServedModel& model,
                               const std::vector<TokenId>& tokens) const override;
  std::vector<float> read_log_probs(const HttpAnswer& answer, const std::vector<TokenId>& tokens,
                                    std::size_t first, const std::string& where) const override;
  bool has_rewards() const override { return true; }
  HttpRequest reward_request(const ServedModel& model,
                             const std::vector<std::vector<TokenId>>& sequences, bool activated,
                             bool by_pooling) const override;
  std::vector<std::vector<float>> read_rewards(const HttpAnswer& answer,
                                               const std::vector<std::string>& places,
                                               const std::string& where) const override;
  bool takes_checkpoints() const override { return true; }
  std::vector<HttpRequest> reload_requests(const std::string& folder) const override;
  std::optional<DType> weight_type(const ServerFacts& facts) const override;
};

}  // namespace expo
