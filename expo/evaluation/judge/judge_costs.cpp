#include "expo/evaluation/judge/judge_costs.h"

#include <algorithm>
#include <string>

namespace expo {
namespace {

/// Of a chat template: around each message, and around all of them.
constexpr std::uint64_t kTokensOfMessage = 16;
constexpr std::uint64_t kTokensOfChat = 64;

std::uint64_t bytes_of(const Json& messages) {
  std::uint64_t bytes = 0;
  for (const Json& message : messages) {
    for (const auto& [name, value] : message.items())
      bytes += name.size() + value.get_ref<const std::string&>().size();
  }
  return bytes;
}

}  // namespace

double TokenPrices::of(const ChatUsage& usage) const {
  constexpr double kMillion = 1e6;
  return (static_cast<double>(usage.prompt_tokens) * prompt +
          static_cast<double>(usage.completion_tokens) * completion) /
         kMillion;
}

std::optional<TokenPrices> published_prices(std::string_view model) {
  if (model == "gpt-4-1106-preview") return TokenPrices{.prompt = 10, .completion = 30};
  return std::nullopt;
}

ChatUsage largest_usage(const ChatRequest& request, const ChatSampling& sampling,
                        std::uint64_t further_bytes) {
  return {.prompt_tokens = bytes_of(request.messages) + further_bytes +
                           kTokensOfMessage * request.messages.size() + kTokensOfChat,
          .completion_tokens = sampling.max_tokens};
}

ChatUsage likely_usage(const ChatRequest& request, const ChatSampling& sampling,
                       std::uint64_t further_bytes) {
  constexpr std::uint64_t kBytesOfToken = 4;
  return {.prompt_tokens = (bytes_of(request.messages) + further_bytes) / kBytesOfToken,
          .completion_tokens = sampling.max_tokens};
}

bool Budget::reserve(double most) {
  if (limit_ && spent_ + reserved_ + most > *limit_) return false;
  reserved_ += most;
  return true;
}

void Budget::settle(double most, double cost) {
  reserved_ = std::max(0.0, reserved_ - most);
  spent_ += cost;
}

}  // namespace expo
