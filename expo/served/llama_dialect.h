#pragma once

#include "expo/served/dialect.h"

namespace expo {

/// llama.cpp's own /completion: token ids in, with samplers in vLLM's order, and the scale of each
/// LoRA adapter in each request.
class LlamaDialect final : public Dialect {
 public:
  void learn(const ServerFacts& facts, ServedModel& model) const override;
  std::vector<std::string> watched() const override {
    return {"/v1/models", "/props", "/lora-adapters"};
  }
  std::vector<std::string> misread(const AnswerOptions& options) const override;
  HttpRequest answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                             const AnswerOptions& options, std::uint64_t seed,
                             const std::vector<TokenId>& ends) const override;
  Answer read_answer(const HttpAnswer& answer, const AskedAnswer& asked,
                     const std::string& where) const override;
};

}  // namespace expo
