#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "expo/cli/options/alpha_options.h"
#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say from which checkpoint a running model is extrapolated, and how far.
struct ExtrapolationOptions {
  std::string sft;
  AlphaOptions alpha;
  std::string rounding;
  std::optional<std::uint64_t> rounding_seed;
  std::string on_mismatch;

  void declare(CLI::App& command);
  /// How far the model is to move; nothing for a model as it is. Throws Error(usage) for --alpha
  /// without --sft or the other way round, and for options about moving where nothing moves.
  std::optional<AlphaSchedule> schedule() const;
  /// What of an engine these options say. Throws Error(usage) for words that make no sense.
  void set(EmbeddedSpec& spec) const;

 private:
  void check_moving() const;
};

}  // namespace expo
