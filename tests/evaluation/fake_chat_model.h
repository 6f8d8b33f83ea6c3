#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "expo/core/error.h"
#include "expo/evaluation/judge/chat_model.h"
#include "expo/evaluation/judge/sha2.h"

namespace expo {

/// A judge in memory that has up to `parallel` requests under way and answers them in random order.
class FakeChatModel final : public ChatModel {
 public:
  /// Makes the reply to a request that has been asked `times` times, this one included.
  using Answer = std::function<ChatReply(const ChatRequest& request, std::uint64_t times)>;

  explicit FakeChatModel(Answer answer, std::size_t parallel = 64,
                         std::string origin = "https://judge.example/v1")
      : answer_(std::move(answer)), parallel_(parallel), origin_(std::move(origin)) {}

  std::string origin() const override { return origin_; }

  void ask(const ChatSampling&, ChatExchange& exchange,
           const CancellationToken& cancellation) override {
    std::vector<ChatRequest> under_way;
    std::minstd_rand random(7);
    while (true) {
      cancellation.check();
      while (under_way.size() < parallel_) {
        auto request = exchange.next();
        if (!request) break;
        ++asked[request->id];
        under_way.push_back(*std::move(request));
      }
      most_under_way = std::max(most_under_way, under_way.size());
      if (under_way.empty()) return;
      std::swap(under_way[random() % under_way.size()], under_way.back());
      const ChatRequest request = std::move(under_way.back());
      under_way.pop_back();
      if (loses.contains(request.id)) continue;
      exchange.take(request.id, answer_(request, asked.at(request.id)));
    }
  }

  std::map<std::uint64_t, std::uint64_t> asked;  ///< how often, by id
  std::size_t most_under_way = 0;
  std::map<std::uint64_t, bool> loses;  ///< requests that it never answers, against its contract

 private:
  Answer answer_;
  std::size_t parallel_;
  std::string origin_;
};

/// The answer of a judge that takes the first output for the better one with this probability.
inline ChatReply reply_for(double first_is_better) {
  ChatReply reply;
  reply.text = first_is_better >= 0.5 ? "m" : "M";
  reply.weighed.emplace();
  auto& tokens = reply.weighed->emplace_back();
  if (first_is_better > 0) tokens.push_back({"m", std::log(first_is_better)});
  if (first_is_better < 1) tokens.push_back({"M", std::log1p(-first_is_better)});
  tokens.push_back({"The", -20});
  reply.usage = ChatUsage{.prompt_tokens = 500, .completion_tokens = 1};
  return reply;
}

/// A number in (0, 1) that depends on a text.
inline double drawn_from(const std::string& text) {
  constexpr double kRange = 4294967296.0;
  return (static_cast<double>(std::stoul(sha256_digits(text).substr(0, 8), nullptr, 16)) + 0.5) /
         kRange;
}

/// A judge whose preference depends on the prompt alone.
inline ChatReply reply_to(const ChatRequest& request) {
  return reply_for(drawn_from(compact_json(request.messages)));
}

}  // namespace expo
