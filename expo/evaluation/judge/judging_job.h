#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/evaluation/judge/judge.h"

namespace expo {

/// A job that has a judge compare a model's answers with the baseline's, and writes what it said.
struct JudgingJob {
  std::filesystem::path model_outputs;
  std::filesystem::path reference_outputs;
  std::string generator = {};  ///< the model's name; empty: that of its answers, or of their file
  bool allow_missing = false;  ///< go on without instructions that the model has not answered

  std::filesystem::path output = {};              ///< annotations.json; may be empty for `dry_run`
  bool overwrite = false;                         ///< replace an existing file
  bool resume = false;                            ///< take over what it says, and replace it
  std::vector<std::filesystem::path> reuse = {};  ///< further annotations of earlier runs
  std::filesystem::path cache = {};               ///< of replies; empty: beside the output
  std::filesystem::path prompt_template = {};
  bool dry_run = false;  ///< nothing is written, so run() must not be called

  JudgeOptions judge = {};
};

/// Throws Error(usage) for settings that contradict each other.
void check(const JudgingJob& job);

/// Throws Error(usage) for a place of the output that will not do: it is one of the inputs, is no
/// file, or exists and is neither to be replaced nor resumed. Judging does so itself; call this
/// where the answers have to be made first.
void check_output(Filesystem& filesystem, const JudgingJob& job);

/// A judge's work that is prepared: everything is read, and nothing is asked yet.
class Judging {
 public:
  /// Opens the files. `origin` is ChatModel::origin() of the judge. Throws what its readers and
  /// check_output() throw; Error(input) if what is to be resumed is about other models or of
  /// another judge.
  Judging(Filesystem& filesystem, JudgingJob job, const std::string& origin);
  Judging(const Judging&) = delete;
  Judging& operator=(const Judging&) = delete;

  const AnswerPairs& pairs() const { return pairs_; }
  const JudgeTemplate& prompt_template() const { return template_; }
  JudgeEstimate estimate() const { return judge_->estimate(); }
  std::vector<std::string> warnings() const;

  /// Asks the judge, and writes the annotations, also where rows failed. If none of the rows has a
  /// preference, it throws Error(environment) instead, and the file stays as it was. Call it once.
  JudgeResult run(ChatModel& model, const CancellationToken& cancellation, RowProgress* progress);

 private:
  void read_known(const std::string& annotator);
  void check_resumed(const std::string& annotator);
  void open_cache();

  Filesystem& filesystem_;
  JudgingJob job_;
  AnswerPairs pairs_;
  JudgeTemplate template_;
  KnownAnnotations known_;
  MemoryFilesystem scratch_;  ///< of a dry run without a cache
  std::optional<JudgeCache> cache_;
  std::optional<Judge> judge_;
};

}  // namespace expo
