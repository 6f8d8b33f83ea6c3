#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/engine/answer_rows.h"
#include "expo/engine/engine.h"
#include "expo/engine/row_output.h"
#include "expo/text/prompts.h"

namespace expo {

/// A job that has an engine answer the prompts of a data set and writes the answers to a file.
struct GenerationJob {
  RowOutput output;  ///< without a file, every row goes to `emit`
  AnswerFormat format = AnswerFormat::ultrafeedback;
  std::string generator;      ///< the model's name in AlpacaEval's rows
  std::uint32_t samples = 1;  ///< answers to each prompt
  std::string system;         ///< system turn for prompts that have none
  AnswerOptions answer;
  bool skip_too_long = false;  ///< skip prompts that do not fit instead of refusing them
};

/// Throws Error(usage) for options of answers that are out of range or contradict each other or the
/// number of answers to each prompt.
void check(const AnswerOptions& options, std::uint32_t samples);

/// Throws Error(usage) for settings that contradict each other. run_generation checks this itself;
/// call this to fail before an engine is opened.
void check(const GenerationJob& job);

/// What a generation did.
struct GenerationReport {
  EngineDescription engine;
  std::filesystem::path output;
  std::uint64_t prompts = 0;    ///< prompts that were answered
  std::uint64_t skipped = 0;    ///< prompts that did not fit
  std::uint64_t answers = 0;    ///< answers in the output
  std::uint64_t resumed = 0;    ///< answers that an earlier run had generated
  bool was_complete = false;    ///< an earlier run had finished the output; nothing was done
  std::uint64_t truncated = 0;  ///< answers that ended at the limit
  std::uint64_t tokens = 0;     ///< tokens of all answers
  AnswerStatistics run;         ///< the work of this run alone
  std::vector<std::string> warnings;
};

/// Runs the job. Rows that do not fit, and an output that must not be written, are refused before
/// anything runs. Rows are in the order of the prompts, with the samples of a prompt side by side;
/// each is passed to `emit` as soon as all rows before it have been. What an interrupted or failed
/// run has finished is kept beside the output, and the same job with `resume` continues from it.
/// Throws Error.
GenerationReport run_generation(Filesystem& filesystem, Engine& engine,
                                const std::vector<Prompt>& prompts, const GenerationJob& job,
                                const std::function<void(const Json& row)>& emit,
                                RowProgress* progress, const CancellationToken& cancellation);

/// The report as --json prints it.
Json to_json(const GenerationReport& report);

}  // namespace expo
