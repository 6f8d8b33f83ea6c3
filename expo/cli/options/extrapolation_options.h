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
  /// Declares only how weights are rounded and what becomes of tensors that do not fit, for
  /// commands that choose α themselves.
  void declare_rounding(CLI::App& command, const std::string& rounding_description);
  /// How far to extrapolate the model; std::nullopt if it runs as it is. Throws Error(usage) for
  /// --alpha without --sft or vice versa, and for options about an extrapolation if there is none.
  std::optional<AlphaSchedule> schedule() const;
  /// The same for a model that a server runs and scales itself: α is a number that it is told.
  std::optional<AlphaSchedule> served_schedule() const;
  /// Throws Error(usage) for an unknown rounding, and for a seed of nothing.
  void check_rounding_words() const;
  /// Sets the fields of `spec` that these options determine. Throws Error(usage) for values that
  /// are not valid.
  void set(EmbeddedSpec& spec) const;
  void set(ServedPair& pair) const;

 private:
  void check_moving() const;
};

}  // namespace expo
