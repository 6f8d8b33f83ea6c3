#include "expo/search/live/engine_turns.h"

#include <utility>

#include "expo/core/error.h"

namespace expo {

/// An engine whose turn may end at any time between two calls.
class EngineTurns::Sharing final : public Engine {
 public:
  Sharing(const EngineTurns& turns, const EmbeddedSpec& spec,
          const std::optional<AlphaSchedule>& alpha)
      : turns_(turns.turns_),
        turn_(turns.turn_),
        open_([open = turns.open_, spec](bool is_again) { return open(spec, is_again); }),
        alpha_(alpha) {
    // The engine clears the staging folder when it is opened.
    if (turns_ == Turns::of_server) turn_->pass_to(nullptr);
    engine_ = open_(false);
    sources_ = engine_->sources();
    if (turns_ == Turns::of_server) turn_->pass_to(this);
  }
  ~Sharing() override {
    if (turn_->holder == this) turn_->holder = nullptr;
  }

  EngineDescription describe() const override { return engine_ ? engine_->describe() : self_; }
  std::vector<std::filesystem::path> sources() const override { return sources_; }
  Json digests(const CancellationToken& cancellation) const override {
    return engine_ ? engine_->digests(cancellation) : open_(true)->digests(cancellation);
  }
  std::vector<std::string> incidents() const override {
    return engine_ ? engine_->incidents() : std::vector<std::string>();
  }

  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    return opened().count_tokens(conversations);
  }
  std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered) override {
    return opened().count_log_prob_tokens(answered);
  }

  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance,
                          const CancellationToken& cancellation) override {
    return at_turn(cancellation).answer(prompts, tasks, options, sink, advance, cancellation);
  }
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                          const TokenSink& advance,
                                          const CancellationToken& cancellation) override {
    return at_turn(cancellation).rewards(answered, advance, cancellation);
  }
  bool has_log_probs() const override { return !engine_ || engine_->has_log_probs(); }
  std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                            const TokenSink& advance,
                                            const CancellationToken& cancellation) override {
    return at_turn(cancellation).log_probs(answered, advance, cancellation);
  }

  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) override {
    turn_->pass_to(this);
    opened().move_to(alpha, cancellation);
    alpha_ = alpha;
    is_moved_ = true;
  }

 private:
  /// With its files open, but not necessarily its weights.
  Engine& opened() {
    if (!engine_) {
      engine_ = open_(true);
      is_moved_ = false;
    }
    return *engine_;
  }

  Engine& at_turn(const CancellationToken& cancellation) {
    turn_->pass_to(this);
    Engine& engine = opened();
    if (alpha_ && !is_moved_) engine.move_to(*alpha_, cancellation);
    is_moved_ = true;
    return engine;
  }

  void end_turn() {
    if (!engine_) return;
    is_moved_ = false;
    if (turns_ == Turns::of_server) {
      engine_->let_go();
      return;
    }
    self_ = engine_->describe();
    engine_.reset();
  }

  friend struct Turn;
  Turns turns_;
  std::shared_ptr<Turn> turn_;
  std::unique_ptr<Engine> engine_;  ///< null while it is closed
  std::function<std::unique_ptr<Engine>(bool is_again)> open_;
  std::vector<std::filesystem::path> sources_;
  EngineDescription self_;  ///< as it was when it was closed
  std::optional<AlphaSchedule> alpha_;
  bool is_moved_ = false;  ///< to alpha_
};

void EngineTurns::Turn::pass_to(Sharing* next) {
  Sharing* before = std::exchange(holder, next);
  if (before != nullptr && before != next) before->end_turn();
}

std::unique_ptr<Engine> EngineTurns::open(const EmbeddedSpec& spec,
                                          const std::optional<AlphaSchedule>& alpha) const {
  if (turns_ == Turns::none && alpha)
    throw usage_error("an engine that takes no turns is moved by the one who opens it");
  if (turns_ == Turns::none) return open_(spec, false);
  return std::make_unique<Sharing>(*this, spec, alpha);
}

}  // namespace expo
