#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/search/live/answer_scorer.h"

namespace expo {

struct CommandScorerOptions {
  /// The longest time in which the program may neither read nor print anything. The time that it
  /// takes to start counts, too.
  std::chrono::milliseconds timeout{300'000};
  std::chrono::milliseconds farewell{5'000};  ///< for ending by itself after its last answer
  std::size_t batch_size = 64;                ///< most answers that are given to it at once
};

/// Scores by a program, such as a checker of verifiable answers: `sh -c COMMAND` is started for the
/// first answer and kept running. It gets one JSON object a line for each answer:
///
///   {"prompt": "the last turn of the user", "answer": "…", …}
///
/// followed by the other columns of the prompt's row, and by "messages", the whole prompt, if the
/// row has no such column. For each line it prints one line with a finite number, larger for better
/// answers, at once. Its standard error is not shown, except for its last line if it fails. It ends
/// when its input does.
///
/// score() throws Error(environment) if the program ends or stalls, and Error(input) if it prints
/// anything else than one number for each line; the program has then been ended, and a further call
/// starts it anew. Scores stand for whole batches. A line too many may have shifted any score since
/// the program was started, and it may come late: then is_doubtful(). finish() looks for numbers
/// that the program prints when its input ends; other words are its farewell. An answer's row must
/// have no column "answer" of its own, and none "prompt" that is not what is asked. The identity is
/// the command with the digests of its files (files_of_command()), so that scores of an edited
/// script are not mixed with earlier ones; if none is found, a warning says so. `filesystem` must
/// outlive it.
std::unique_ptr<AnswerScorer> command_scorer(Filesystem& filesystem, std::string command,
                                             CommandScorerOptions options = {});

}  // namespace expo
