#pragma once

#include "expo/served/dialect.h"

namespace expo {

/// What OpenAI-compatible servers share. Messages go to /v1/chat/completions; token ids, and text
/// without a template, to /v1/completions; log-probabilities come by `echo`.
class OpenAiDialect : public Dialect {
 public:
  explicit OpenAiDialect(bool raw_text) : raw_text_(raw_text) {}

  bool adapt(ServedModel& model, const HttpAnswer& failed) const override;
  std::vector<std::string> misread(const AnswerOptions& options) const override;
  HttpRequest answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                             const AnswerOptions& options, std::uint64_t seed,
                             const std::vector<TokenId>& ends) const override;
  Answer read_answer(const HttpAnswer& answer, const AskedAnswer& asked,
                     const std::string& where) const override;
  bool has_log_probs() const override { return true; }
  HttpRequest log_prob_request(const ServedModel& model,
                               const std::vector<TokenId>& tokens) const override;
  std::vector<float> read_log_probs(const HttpAnswer& answer, const std::vector<TokenId>& tokens,
                                    std::size_t first, const std::string& where) const override;

 private:
  bool raw_text_;
};

/// The options of /v1/completions that all of its servers know, but the prompt.
Json common_options(const ServedModel& model, const AnswerOptions& options, std::uint64_t seed);
/// The limit of an answer's tokens, and no more than the context leaves to it: vLLM refuses what
/// could exceed that. Throws Error(usage) without a limit: servers have some of their own, of 16
/// tokens for example.
std::size_t token_limit(const AnswerOptions& options, const ServedModel& model,
                        const OutgoingPrompt& prompt);

}  // namespace expo
