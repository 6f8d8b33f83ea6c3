#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
  Json adapters = Json::array();  ///< of llama-server, as requests have them: [{"id", "scale"}, …]
  Json adapter_paths = Json::array();  ///< the file of each
  /// What the limit of an answer's tokens is called in chats.
  std::string chat_limit = "max_completion_tokens";
};

/// What a server tells of itself by GET.
struct ServerFacts {
  const ServerAddress& address;
  std::function<HttpAnswer(const std::string& path)> ask;

  /// Throws the failure.
  Json get(const std::string& path) const;
};

/// A prompt as it goes out.
struct OutgoingPrompt {
  const Conversation& conversation;
  std::vector<TokenId> tokens;  ///< empty: the server makes them of the conversation
};

/// What a request for an answer said, for its reader to compare.
struct AskedAnswer {
  std::size_t prompt_tokens = 0;  ///< 0: the server makes them of the conversation
  std::size_t limit = 0;          ///< of the answer's tokens
  std::size_t context = 0;        ///< of the model; 0: not known
};

/// What a kind of server understands. The functions that make requests and those that read their
/// answers belong together. Readers throw Error(input) beginning with `where` for an answer of
/// another shape; refusals are Error(usage).
class Dialect {
 public:
  virtual ~Dialect() = default;

  /// Completes what GET /v1/models has told.
  virtual void learn(const ServerFacts& facts, ServedModel& model) const;
  /// All paths of GET that tell which model the server has; none where another model could not be
  /// told from it.
  virtual std::vector<std::string> watched() const { return {}; }
  /// Whether a request that failed will do in another way, which `model` then says.
  virtual bool adapt(ServedModel& model, const HttpAnswer& failed) const;
  /// The names of sampling options that this kind reads in another way than vLLM's SamplingParams
  /// (see SamplingOptions), or not at all.
  virtual std::vector<std::string> misread(const AnswerOptions& options) const = 0;

  /// `ends`: the end tokens of the model that expo knows.
  virtual HttpRequest answer_request(const ServedModel& model, const OutgoingPrompt& prompt,
                                     const AnswerOptions& options, std::uint64_t seed,
                                     const std::vector<TokenId>& ends) const = 0;
  /// Throws Error(input) also if the server has counted other tokens in the prompt than were sent,
  /// or has cut the answer before its limit.
  virtual Answer read_answer(const HttpAnswer& answer, const AskedAnswer& asked,
                             const std::string& where) const = 0;

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
  /// `places`: the row of each sequence, for errors about its reward.
  virtual std::vector<std::vector<float>> read_rewards(const HttpAnswer& answer,
                                                       const std::vector<std::string>& places,
                                                       const std::string& where) const;

  /// Whether α reaches it as a whole checkpoint, which it reads while it runs.
  virtual bool takes_checkpoints() const { return false; }
  /// What has it read the checkpoint in a folder of its own machine, one after the other.
  virtual std::vector<HttpRequest> reload_requests(const std::string& folder) const;
  /// The type in which it holds its weights; std::nullopt: it does not say.
  virtual std::optional<DType> weight_type(const ServerFacts& facts) const;
};

std::unique_ptr<Dialect> make_dialect(const ServedSpec& spec);

}  // namespace expo
