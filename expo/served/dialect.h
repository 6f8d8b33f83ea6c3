#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/engine/engine_spec.h"
#include "expo/http/http_client.h"

namespace expo {

/// The model that a server runs, as the server tells.
struct ServedModel {
  std::string id;    ///< its name in requests
  std::string root;  ///< the folder or Hugging Face id that the server has read; may be empty
  std::size_t context = 0;
  std::string version;            ///< of the server; may be empty
  Json adapters = Json::array();  ///< of llama-server: [{"id", "scale"}, …]
};

/// A prompt as it goes out.
struct OutgoingPrompt {
  const Conversation& conversation;
  std::vector<TokenId> tokens;  ///< empty: the server makes them of the conversation
};

/// What a kind of server understands. The functions that make requests and those that read their
/// answers belong together. Readers throw Error(input) beginning with `where` for an answer of
/// another shape; refusals are Error(usage).
class Dialect {
 public:
  virtual ~Dialect() = default;

  /// Completes what GET /v1/models has told.
  virtual void learn(HttpClient& client, ServedModel& model,
                     const CancellationToken& cancellation) const;
  /// The names of sampling options that this kind reads in another way than vLLM's SamplingParams
  /// (see SamplingOptions), or not at all.
  virtual std::vector<std::string> misread(const AnswerOptions& options) const = 0;

  /// `ends`: the end tokens of the model that expo knows.
  virtual HttpRequest answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                                     const AnswerOptions& options, std::uint64_t seed,
                                     const std::vector<TokenId>& ends) const = 0;
  virtual Answer read_answer(const HttpAnswer& answer, const std::string& where) const = 0;

  virtual bool has_log_probs() const { return false; }
  /// Asks for the log-probabilities of all tokens but the first.
  virtual HttpRequest log_prob_request(const ServedModel& model,
                                       const std::vector<TokenId>& tokens) const;
  /// Those of tokens[first] and all after it.
  virtual std::vector<float> read_log_probs(const HttpAnswer& answer,
                                            const std::vector<TokenId>& tokens, std::size_t first,
                                            const std::string& where) const;

  virtual bool has_rewards() const { return false; }
  /// Asks for the rewards of sequences, raw or as the model's activation makes them; `by_pooling`
  /// is the other way, for servers that lack the first.
  virtual HttpRequest reward_request(const ServedModel& model,
                                     const std::vector<std::vector<TokenId>>& sequences,
                                     bool activated, bool by_pooling) const;
  virtual std::vector<std::vector<float>> read_rewards(const HttpAnswer& answer, std::size_t count,
                                                       const std::string& where) const;
};

std::unique_ptr<Dialect> make_dialect(const ServedSpec& spec);

}  // namespace expo
