#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "expo/evaluation/judge/chat_model.h"

namespace expo {

/// In dollars for a million tokens.
struct TokenPrices {
  double prompt = 0;
  double completion = 0;

  double of(const ChatUsage& usage) const;
};

/// The prices of the annotator that AlpacaEval's leaderboard uses, gpt-4-1106-preview; std::nullopt
/// for other models.
std::optional<TokenPrices> published_prices(std::string_view model);

/// The most tokens that a request can be billed for: a byte of a message is at most one token, as
/// in every tokenizer that works on bytes, and a chat template adds a few tokens.
/// `further_bytes` are still to come into its messages.
ChatUsage largest_usage(const ChatRequest& request, const ChatSampling& sampling,
                        std::uint64_t further_bytes = 0);

/// About the tokens of English text.
ChatUsage likely_usage(const ChatRequest& request, const ChatSampling& sampling,
                       std::uint64_t further_bytes = 0);

/// Money that may be spent. What a request could cost at most is reserved before it leaves, so that
/// the limit holds whatever the requests that are under way turn out to cost.
class Budget {
 public:
  explicit Budget(std::optional<double> limit) : limit_(limit) {}

  /// Returns false, and reserves nothing, if that much is not left.
  bool reserve(double most);
  /// Puts the real cost in the place of what was reserved.
  void settle(double most, double cost);

  double spent() const { return spent_; }
  double reserved() const { return reserved_; }

 private:
  std::optional<double> limit_;
  double spent_ = 0;
  double reserved_ = 0;
};

}  // namespace expo
