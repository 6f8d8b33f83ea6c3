#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "expo/engine/engine.h"

namespace CLI {
class App;
}

namespace expo {

/// What two of the options below are called.
struct AnsweringNames {
  std::string samples = "--n";  ///< empty: not an option, as there is one answer to each prompt
  std::string seed = "--seed";
};

/// The options that say how answers are drawn and where they end.
struct AnsweringOptions {
  SamplingOptions sampling;
  std::uint32_t samples = 1;  ///< answers to each prompt
  std::size_t max_new_tokens = 2048;
  std::vector<std::string> stop;
  std::vector<TokenId> stop_tokens;
  bool ignore_eos = false;

  /// Declares the options with the values that the members have as their defaults.
  void declare(CLI::App& command, const AnsweringNames& names = {});
  AnswerOptions answer() const;

 private:
  void declare_filters(CLI::App& command);
  void declare_penalties(CLI::App& command);
  void declare_ends(CLI::App& command);
};

/// Appendix B of the paper.
AnsweringOptions answering_of_the_paper();

/// Drops filters of the paper where nothing is drawn: they have no effect there, and defaults must
/// not be refused for that.
void drop_unused_filters(SamplingOptions& sampling);

}  // namespace expo
