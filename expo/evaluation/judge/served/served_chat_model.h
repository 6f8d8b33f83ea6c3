#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "expo/evaluation/judge/chat_model.h"
#include "expo/evaluation/judge/served/chat_server.h"
#include "expo/http/http_client.h"

namespace expo {

/// A model that a server runs, asked by OpenAI's protocol for chats. Before the first request, the
/// server must have the model by this name. Not thread-safe.
class ServedChatModel final : public ChatModel {
 public:
  /// Throws Error(usage) for a key that is not set or would go over an unencrypted line.
  explicit ServedChatModel(const ChatServer& server);

  std::string origin() const override { return client_.address().text(); }
  void ask(const ChatSampling& sampling, ChatExchange& exchange,
           const CancellationToken& cancellation) override;

 private:
  /// A request that is in flight, as it may have to be sent in another way.
  struct Sent {
    ChatRequest request;
    std::string limit;
  };

  std::optional<HttpRequest> next(ChatExchange& exchange);
  void receive(HttpAnswer answer, ChatExchange& exchange);
  bool is_to_be_sent_again(const HttpAnswer& answer, const Sent& sent);
  void refuse_whole_run(const HttpAnswer& answer) const;

  ServerKind kind_;
  HttpClient client_;
  ChatSampling sampling_ = {};
  std::string limit_ = "max_tokens";
  std::unordered_map<std::uint64_t, Sent> in_flight_;
  std::deque<ChatRequest> again_;
  bool has_answered_ = false;
};

}  // namespace expo
