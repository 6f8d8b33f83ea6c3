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

namespace expo {

/// A prompt (the last turn is not an assistant's) or a prompt with an answer (it is).
struct Conversation {
  Json messages;      ///< [{"role", "content"}, …], at least one
  std::string id;     ///< stays with it whatever runs beside it: the random draws depend on it
  std::string place;  ///< for messages: "dev.jsonl:3"

  bool is_answered() const { return messages.back().at("role") == "assistant"; }
};

/// One answer to be written.
struct AnswerTask {
  std::size_t prompt = 0;  ///< index of the prompt
  std::uint32_t sample = 0;
};

/// How answers are written and where they end.
struct AnswerOptions {
  SamplingOptions sampling;
  StopOptions stop;         ///< beside the model's own end tokens
  bool ignore_eos = false;  ///< the model's end tokens do not end an answer
};

/// A finished answer.
struct Answer {
  AnswerTask task;
  std::string text;  ///< without special tokens and what stopped it
  FinishReason finish = FinishReason::stop;
  std::uint64_t tokens = 0;  ///< made for it, the stop token included
};

/// What a call of Engine::answer() took.
struct AnswerStatistics {
  std::uint64_t tokens = 0;    ///< new ones
  double seconds = 0;          ///< of prefill, decoding and sampling
  std::size_t peak_batch = 0;  ///< answers that were written at the same time, at most
};

/// Which model an engine runs, and how.
struct EngineDescription {
  std::string name;                       ///< how a person knows the model
  std::string kind;                       ///< "embedded", …
  std::optional<std::string> alpha = {};  ///< AlphaSchedule::description(), once it has been moved
  /// What rounding left of α, as far as it is known (DeltaSummary::effective_alpha).
  std::optional<double> effective_alpha = {};
  std::size_t context = 0;      ///< tokens of a sequence at most; 0: not known
  double loading_seconds = 0;   ///< so far
  Json facts = Json::object();  ///< for the record: dtype, device, versions …
  /// What a second run must have in common with a first one to go on with its work.
  Json identity = Json::object();
  std::vector<std::string> warnings = {};  ///< a sentence each
  /// The same for what needs no action: which rounding was chosen, for example.
  std::vector<std::string> notes = {};

  /// Those of the warnings that are not among `known`.
  std::vector<std::string> warnings_beyond(const std::vector<std::string>& known) const;
};

/// What answers prompts, or judges answers: a model in one role (policy, reward model, judge),
/// wherever it runs. An engine that cannot do what it is asked to throws Error(usage) naming
/// itself, as answer, rewards, log_probs and move_to do here for every kind that does not override
/// them. Not thread-safe, but for what says so.
class Engine {
 public:
  using AnswerSink = std::function<void(Answer)>;
  using TokenSink = std::function<void(std::uint64_t tokens)>;

  virtual ~Engine() = default;

  /// Cheap.
  virtual EngineDescription describe() const = 0;

  /// The files that the model is made of, which nothing may be written over; empty where they are
  /// not at hand.
  virtual std::vector<std::filesystem::path> sources() const;

  /// [{"file", "size", "digest"}, …] of the files that the model was made from; empty where they
  /// are not at hand. May take as long as reading them; may be called from another thread while the
  /// engine works.
  virtual Json digests(const CancellationToken& cancellation) const;

  /// Tokens of each conversation, with what opens the assistant's turn for a prompt; nothing where
  /// the engine cannot tell. Throws Error(input) naming the place of one that cannot be rendered.
  virtual std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations);

  /// Likewise of answered conversations as log_probs() reads them: the prompt, what opens the
  /// assistant's turn, and the answer's text. Throws Error(input) too where nothing precedes it.
  virtual std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered);

  /// Gives each task's answer to `sink` as soon as it is done, in no particular order; `advance` is
  /// told of the tokens that are made. The random draws of a sample depend on the seed, the id of
  /// its prompt and the number of the sample only. `prompts` are all of a run, whether they have a
  /// task left or not.
  virtual AnswerStatistics answer(std::span<const Conversation> prompts,
                                  std::span<const AnswerTask> tasks, const AnswerOptions& options,
                                  const AnswerSink& sink, const TokenSink& advance,
                                  const CancellationToken& cancellation);

  /// Raw rewards of answered conversations, no activation: one for each label of the model.
  virtual std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                                  const TokenSink& advance,
                                                  const CancellationToken& cancellation);

  /// Natural logarithms of the probabilities of the tokens of each last turn's text (no end token),
  /// each given all before it, at temperature 1.
  virtual std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                                    const TokenSink& advance,
                                                    const CancellationToken& cancellation);

  /// The model becomes θ + α(θ − θ_sft). Where it cannot, it stays as it is or, after an
  /// interruption, must be moved again before it is used.
  virtual void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation);

 protected:
  /// Error(usage): "NAME (KIND): this engine cannot DO; …".
  [[noreturn]] void refuse(const char* what) const;
};

}  // namespace expo
