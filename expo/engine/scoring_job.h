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

/// A job that has an engine score the answers of a data set (rewards or log-probabilities) and
/// writes the scores to a file.
struct ScoringJob {
  RowOutput output;  ///< without a file, every row goes to `emit`
  /// Whether the engine computes rewards (false) or the log-probabilities of the answers' tokens,
  /// of which a row gets the sum and the number (true).
  bool log_probs = false;
  std::string column = "reward";  ///< output column; "_chosen" and "_rejected" are added for pairs
  std::string system;             ///< system turn for conversations that have none
  bool skip_too_long = false;     ///< skip rows that do not fit instead of refusing them
  /// The number of conversations that the engine gets at once, at least 1. Rows are emitted, and
  /// kept, after each batch.
  std::size_t batch_size = 16;
};

/// Throws Error(usage) for settings that contradict each other. run_scoring checks this itself;
/// call this to fail before an engine is opened.
void check(const ScoringJob& job);

/// The mean of rewards or margins, with its standard error (std::nullopt for a single value).
struct MeanOfRewards {
  double mean = 0;
  std::optional<double> standard_error;
};

/// The scores of preference pairs.
struct PairScores {
  std::uint64_t wins = 0;  ///< the chosen answer has the higher reward
  std::uint64_t ties = 0;
  double accuracy = 0;                                ///< wins / pairs; a tie is not a win
  std::pair<double, double> accuracy_interval{0, 0};  ///< Wilson's 95 % interval
  MeanOfRewards margin;                               ///< chosen − rejected
  std::pair<double, double> margin_interval{0, 0};    ///< mean ± 1.96 standard errors
};

/// What a scoring did, and what it found.
struct ScoringReport {
  EngineDescription engine;
  std::filesystem::path output;
  std::uint64_t rows = 0;             ///< rows in the output
  std::uint64_t skipped = 0;          ///< rows that did not fit
  std::uint64_t resumed = 0;          ///< rows that an earlier run had scored
  bool was_complete = false;          ///< an earlier run had finished the output; nothing was done
  std::uint64_t tokens = 0;           ///< tokens read in this run
  double seconds = 0;                 ///< this run's scoring, including tokenization
  std::vector<MeanOfRewards> labels;  ///< for single answers: one for each label
  std::optional<PairScores> pairs;    ///< for preference pairs
  std::string column;                 ///< the name of the values
  std::vector<std::string> warnings;
};

/// Runs the job in the way of run_generation: it checks first, emits rows in the order of the data
/// set, each as soon as its batch is done, and keeps finished rows for a resumption. Throws Error;
/// in particular Error(input), naming the row, if a row already has one of the output's columns.
ScoringReport run_scoring(Filesystem& filesystem, Engine& engine,
                          const std::vector<AnsweredRow>& rows, const ScoringJob& job,
                          const std::function<void(const Json& row)>& emit, RowProgress* progress,
                          const CancellationToken& cancellation);

/// The report as --json prints it.
Json to_json(const ScoringReport& report);

}  // namespace expo
