#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/engine/engine.h"
#include "expo/engine/row_output.h"
#include "expo/text/answered.h"

namespace expo {

/// Rewards (or log-probabilities) of the answers of a data set, from an engine to a file.
struct ScoringJob {
  RowOutput output;  ///< without a file every row goes to `emit`
  /// What the engine is asked for: rewards, or the log-probabilities of the answers' tokens, of
  /// which a row gets the sum and the number.
  bool log_probs = false;
  std::string column = "reward";  ///< of the output; "_chosen" and "_rejected" follow for pairs
  std::string system;             ///< a system turn for conversations that have none
  bool skip_too_long = false;     ///< leave out rows that do not fit, instead of refusing them
  /// Conversations that the engine is given at once, at least 1. Rows are given out, and kept,
  /// after each batch.
  std::size_t batch_size = 16;
};

/// Throws Error(usage) for settings that contradict each other. run_scoring does so itself; this
/// says it before an engine is opened.
void check(const ScoringJob& job);

/// A mean with its standard error (nothing for one value), of values that are rewards or margins.
struct MeanOfRewards {
  double mean = 0;
  std::optional<double> standard_error;
};

/// Of preference pairs.
struct PairScores {
  std::uint64_t wins = 0;  ///< the chosen answer has the higher reward
  std::uint64_t ties = 0;
  double accuracy = 0;                                ///< wins of all pairs; a tie is none
  std::pair<double, double> accuracy_interval{0, 0};  ///< Wilson's, 95 %
  MeanOfRewards margin;                               ///< chosen − rejected
  std::pair<double, double> margin_interval{0, 0};    ///< mean ± 1.96 standard errors
};

/// What a scoring did, and what it found.
struct ScoringReport {
  EngineDescription engine;
  std::filesystem::path output;
  std::uint64_t rows = 0;             ///< in the output
  std::uint64_t skipped = 0;          ///< rows that did not fit
  std::uint64_t resumed = 0;          ///< rows that an earlier run had scored
  bool was_complete = false;          ///< an earlier run had finished the output: nothing was done
  std::uint64_t tokens = 0;           ///< read in this run
  double seconds = 0;                 ///< of this run's scoring, tokenization included
  std::vector<MeanOfRewards> labels;  ///< of single answers: one for each label
  std::optional<PairScores> pairs;    ///< of preference pairs
  std::string column;                 ///< what the values are called
  std::vector<std::string> warnings;
};

/// Runs the job, as run_generation does: checks first, rows in the order of the data set, each
/// given out as soon as its batch is done, and finished rows kept for a resumption. Throws Error;
/// Error(input) naming the row that has one of the output's columns already.
ScoringReport run_scoring(Filesystem& filesystem, Engine& engine,
                          const std::vector<AnsweredRow>& rows, const ScoringJob& job,
                          const std::function<void(const Json& row)>& emit, RowProgress* progress,
                          const CancellationToken& cancellation);

/// The report as --json prints it.
Json to_json(const ScoringReport& report);

}  // namespace expo
