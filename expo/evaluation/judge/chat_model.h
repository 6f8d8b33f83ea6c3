#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"

namespace expo {

/// What all requests of a judge have in common, under the names of OpenAI's API.
struct ChatSampling {
  std::string model;
  std::uint64_t max_tokens = 1;
  double temperature = 1;
  double top_p = 1;
  std::uint64_t top_logprobs = 5;
};

struct ChatRequest {
  std::uint64_t id = 0;  ///< under which the reply is handed back
  Json messages;         ///< an array of {"content": …, "role": …}, ready to be sent
};

/// A token that the model weighed, and the logarithm of its probability (NaN if there is none).
struct WeighedToken {
  std::string token;
  double log_prob = 0;
};

struct ChatUsage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
};

/// What became of a request: an answer, or a failure.
struct ChatReply {
  /// Why there is no answer, as a clause in the server's own words ("HTTP 400: …"); empty if there
  /// is one.
  std::string failure = {};
  bool is_final = false;  ///< asking again would fail again
  bool may_cost = false;  ///< a failure that may be on the bill nevertheless: no reply came
  std::string text = {};  ///< the answer
  /// For each token of the answer, those that the model weighed in its place (OpenAI's
  /// top_logprobs); std::nullopt if the server says nothing of probabilities.
  std::optional<std::vector<std::vector<WeighedToken>>> weighed = {};
  std::optional<ChatUsage> usage = {};
};

/// Gives requests and takes the replies. Its methods are never called by two threads at once.
class ChatExchange {
 public:
  virtual ~ChatExchange() = default;
  /// A request that may leave now. std::nullopt: none may; there may be one after another reply.
  virtual std::optional<ChatRequest> next() = 0;
  /// Takes what became of a request; once for each that next() has given, in any order. May throw
  /// Error to end the whole exchange.
  virtual void take(std::uint64_t id, ChatReply reply) = 0;
};

/// A model that answers chats, in whatever place it runs.
class ChatModel {
 public:
  virtual ~ChatModel() = default;

  /// Where its answers come from, such as "https://api.openai.com/v1": without any secret, and the
  /// same whenever the answers could be the same. It is part of the key of what is kept.
  virtual std::string origin() const = 0;

  /// Sends requests as long as the exchange gives any, several at a time if it can, and hands each
  /// reply back as soon as it is there. Returns when nothing is under way and next() gives nothing.
  /// What a server refuses for the moment (429, 5xx) is repeated within; a request whose reply
  /// did not come whole must not be, as it may have been billed: it is handed back with `may_cost`,
  /// and as final if it was late. Throws Error for what would refuse every request (a wrong key, no
  /// credit, another model than the one named), and Error(interrupted) once cancelled. What is
  /// thrown by the exchange passes through.
  virtual void ask(const ChatSampling& sampling, ChatExchange& exchange,
                   const CancellationToken& cancellation) = 0;
};

}  // namespace expo
