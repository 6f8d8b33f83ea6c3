#pragma once

#include <functional>
#include <memory>

#include "expo/engine/engine.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// Opens the engines of a search, which are in memory together or take turns: then at most one of
/// them holds its weights, as each is closed when another one is to work, and opened again, and
/// moved to where it was, when it is needed. A search answers first and scores after that, so that
/// each look opens each engine once. Results are the same. Not thread-safe.
class EngineTurns {
 public:
  /// Opens an engine, for the first time or again.
  using Opener = std::function<std::unique_ptr<Engine>(const EmbeddedSpec& spec, bool is_again)>;

  explicit EngineTurns(Opener open) : open_(std::move(open)), turn_(std::make_shared<Turn>()) {}

  /// From now on, engines that are opened take turns.
  void begin() { take_turns_ = true; }

  std::unique_ptr<Engine> open(const EmbeddedSpec& spec) const;

 private:
  class Closable;
  /// Whose turn it is.
  struct Turn {
    Closable* holder = nullptr;
  };

  Opener open_;
  std::shared_ptr<Turn> turn_;
  bool take_turns_ = false;
};

}  // namespace expo
