#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "expo/engine/engine.h"
#include "expo/engine/engine_spec.h"
#include "expo/extrapolation/plan/alpha_schedule.h"

namespace expo {

/// What engines that take turns have one at a time.
enum class Turns {
  none,        ///< nothing: they work side by side
  of_weights,  ///< weights in memory: when its turn ends, an engine is closed
  of_server,   ///< the server whose weights they move: when its turn ends, an engine lets it go
};

/// Opens the engines of a search, which work side by side or take turns: then the turn ends when
/// another one is to work, and an engine is opened again and moved to where it was when its turn
/// comes. A search answers first and scores after that, so that each engine has one turn in each
/// look. Results are the same. Not thread-safe.
class EngineTurns {
 public:
  /// Opens an engine, for the first time or again.
  using Opener = std::function<std::unique_ptr<Engine>(const EmbeddedSpec& spec, bool is_again)>;

  explicit EngineTurns(Opener open, Turns turns = Turns::none)
      : open_(std::move(open)), turns_(turns), turn_(std::make_shared<Turn>()) {}

  /// Engines that are opened from now on take turns in memory.
  void begin() { turns_ = Turns::of_weights; }

  /// An engine that works at `alpha` until it is moved; std::nullopt: as it was opened. Throws
  /// Error(usage) if there is an α, but no turns.
  std::unique_ptr<Engine> open(const EmbeddedSpec& spec,
                               const std::optional<AlphaSchedule>& alpha = {}) const;

 private:
  class Sharing;
  /// Whose turn it is.
  struct Turn {
    Sharing* holder = nullptr;
    void pass_to(Sharing* next);
  };

  Opener open_;
  Turns turns_;
  std::shared_ptr<Turn> turn_;
};

}  // namespace expo
