#include "expo/search/live/engine_turns.h"

#include <optional>
#include <utility>

namespace expo {

/// An engine that may be closed at any time between two calls.
class EngineTurns::Closable final : public Engine {
 public:
  Closable(std::shared_ptr<Turn> turn, std::unique_ptr<Engine> engine,
           std::function<std::unique_ptr<Engine>()> open)
      : turn_(std::move(turn)),
        engine_(std::move(engine)),
        open_(std::move(open)),
        sources_(engine_->sources()) {}
  ~Closable() override {
    if (turn_->holder == this) turn_->holder = nullptr;
  }

  EngineDescription describe() const override { return engine_ ? engine_->describe() : self_; }
  std::vector<std::filesystem::path> sources() const override { return sources_; }
  Json digests(const CancellationToken& cancellation) const override {
    return engine_ ? engine_->digests(cancellation) : open_()->digests(cancellation);
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
    take_turn();
    opened().move_to(alpha, cancellation);
    alpha_ = alpha;
    is_moved_ = true;
  }

 private:
  /// With its files open, but not necessarily its weights.
  Engine& opened() {
    if (!engine_) {
      engine_ = open_();
      is_moved_ = false;
    }
    return *engine_;
  }

  Engine& at_turn(const CancellationToken& cancellation) {
    take_turn();
    Engine& engine = opened();
    if (alpha_ && !is_moved_) engine.move_to(*alpha_, cancellation);
    is_moved_ = true;
    return engine;
  }

  void take_turn() {
    Closable* before = std::exchange(turn_->holder, this);
    if (before != nullptr && before != this) before->close();
  }

  void close() {
    if (!engine_) return;
    self_ = engine_->describe();
    engine_.reset();
  }

  std::shared_ptr<Turn> turn_;
  std::unique_ptr<Engine> engine_;  ///< null while it is closed
  std::function<std::unique_ptr<Engine>()> open_;
  std::vector<std::filesystem::path> sources_;
  EngineDescription self_;  ///< as it was when it was closed
  std::optional<AlphaSchedule> alpha_;
  bool is_moved_ = false;  ///< to alpha_
};

std::unique_ptr<Engine> EngineTurns::open(const EmbeddedSpec& spec) const {
  auto engine = open_(spec, false);
  if (!take_turns_) return engine;
  return std::make_unique<Closable>(turn_, std::move(engine),
                                    [open = open_, spec] { return open(spec, true); });
}

}  // namespace expo
