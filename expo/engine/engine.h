#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/engine/sampling_options.h"
#include "expo/engine/stop_options.h"
#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/text/chat.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// A prompt, or a prompt with an answer if the last turn is an assistant's.
struct Conversation {
  Chat chat;          ///< at least one message
  std::string id;     ///< seeds the random draws, so it must not depend on the rest of the batch
  std::string place;  ///< for error messages: "dev.jsonl:3"

  bool is_answered() const { return is_assistant(chat.messages.back()); }
};

/// One answer to be written.
struct AnswerTask {
  std::size_t prompt = 0;  ///< index of the prompt
  std::uint32_t sample = 0;
  /// Answer::ids of an answer to this task that a smaller limit ended, from which an engine that
  /// gave them goes on, to the same bytes as from the start; others begin anew.
  std::vector<TokenId> begun = {};
};

/// How answers are written and where they end.
struct AnswerOptions {
  SamplingOptions sampling;
  StopOptions stop;         ///< in addition to the model's own end tokens
  bool ignore_eos = false;  ///< the model's end tokens do not end an answer
};

/// A finished answer.
struct Answer {
  AnswerTask task;
  std::string text;  ///< without special tokens and the stop string that ended it
  FinishReason finish = FinishReason::stop;
  std::uint64_t tokens = 0;  ///< generated for it, including the stop token and those of `begun`
  /// The tokens of one that a limit ended, if the engine can go on from them; else empty.
  std::vector<TokenId> ids = {};
};

/// The work that a call of Engine::answer() did.
struct AnswerStatistics {
  std::uint64_t tokens = 0;    ///< generated tokens
  double seconds = 0;          ///< for prefill, decoding and sampling
  std::size_t peak_batch = 0;  ///< most answers that were generated at the same time
};

/// Which model an engine runs, and how.
struct EngineDescription {
  std::string name;  ///< the name that a person gave the model
  std::string kind;  ///< "embedded", …
  std::optional<std::string> alpha =
      {};  ///< AlphaSchedule::description(), once move_to() was called
  /// What rounding left of α, as far as it is known (DeltaSummary::effective_alpha).
  std::optional<double> effective_alpha = {};
  std::size_t context = 0;      ///< most tokens of a sequence; 0: not known
  double loading_seconds = 0;   ///< so far
  Json facts = Json::object();  ///< for the record: dtype, device, versions …
  /// What a second run must have in common with the first one to resume it.
  Json identity = Json::object();
  std::vector<std::string> warnings = {};  ///< one sentence each
  /// Sentences about what needs no action, such as which rounding was chosen.
  std::vector<std::string> notes = {};

  /// Returns the warnings that are not among those of `known`.
  std::vector<std::string> warnings_beyond(const std::vector<std::string>& known) const;
};

/// A model that answers prompts or judges answers, in one role (policy, reward model or judge),
/// wherever it runs. An engine that cannot do what it is asked for throws Error(usage) naming
/// itself; the implementations of answer, rewards, log_probs and move_to here do so for every kind
/// that does not override them. Not thread-safe, except for functions that say so.
class Engine {
 public:
  using AnswerSink = std::function<void(Answer)>;
  using TokenSink = std::function<void(std::uint64_t tokens)>;

  virtual ~Engine() = default;

  /// Describes the model; cheap to call.
  virtual EngineDescription describe() const = 0;

  /// The files that the model is made of, which must not be overwritten; empty if they are not
  /// accessible.
  virtual std::vector<std::filesystem::path> sources() const;

  /// Returns, for each checkpoint that the model was made from ("model", and "sft" if there is
  /// one),
  /// [{"file", "size", "digest"}, …]; empty if the files are not accessible. May take as long as
  /// reading them; may be called from another thread while the engine works.
  virtual Json digests(const CancellationToken& cancellation) const;

  /// Counts the tokens of each conversation, for a prompt including those that open the assistant's
  /// turn; returns std::nullopt if the engine cannot count. Throws Error(input) naming the place of
  /// a conversation that cannot be rendered.
  virtual std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations);

  /// Counts in the same way the tokens of answered conversations as log_probs() reads them: the
  /// prompt, what opens the assistant's turn, and the answer's text. Throws Error(input) also if no
  /// token precedes the answer.
  virtual std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered);

  /// Passes each task's answer to `sink` as soon as it is done, in no particular order, and the
  /// number of newly generated tokens to `advance`. The random draws of a sample depend only on the
  /// seed, the id of its prompt and the number of the sample. `prompts` are all prompts of the run,
  /// including those without a task left.
  virtual AnswerStatistics answer(std::span<const Conversation> prompts,
                                  std::span<const AnswerTask> tasks, const AnswerOptions& options,
                                  const AnswerSink& sink, const TokenSink& advance,
                                  const CancellationToken& cancellation);

  /// Returns the raw rewards of answered conversations, without an activation: for each
  /// conversation one value per label of the model.
  virtual std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                                  const TokenSink& advance,
                                                  const CancellationToken& cancellation);

  /// Returns for each conversation the natural logarithms of the probabilities of the tokens of its
  /// last turn's text (without an end token), each given all tokens before it, at temperature 1.
  virtual std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                                    const TokenSink& advance,
                                                    const CancellationToken& cancellation);

  /// Makes the model θ + α(θ − θ_sft). If that fails, the model stays as it is; after an
  /// interruption it must be moved again before it is used.
  virtual void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);

  /// Gives back what it has of a server whose weights it moves, so that another engine can move
  /// them; before it is used again, it must be moved. What has no such server stays as it is.
  virtual void let_go() {}

  /// Whether this model, wherever it runs, can tell log-probabilities; if not, log_probs() throws.
  virtual bool has_log_probs() const { return true; }
  /// Those of the warnings of describe() that tell what went wrong while it worked, and was made
  /// good.
  virtual std::vector<std::string> incidents() const { return {}; }

 protected:
  /// Throws Error(usage): "NAME (KIND): this engine cannot WHAT; …".
  [[noreturn]] void refuse(const char* what) const;
};

}  // namespace expo
