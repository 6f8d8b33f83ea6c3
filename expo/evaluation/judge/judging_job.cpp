#include "expo/evaluation/judge/judging_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/annotations.h"
#include "expo/evaluation/judge/annotation_output.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// The file of replies beside annotations.json: annotations.json.replies.jsonl.
fs::path beside(const fs::path& output) {
  return output.parent_path() / (output.filename().string() + ".replies.jsonl");
}

void require_same(const fs::path& file, const char* what, const std::string& is,
                  const std::string& expected) {
  if (is == expected) return;
  throw input_error(fmt::format(
      "{}: its annotations are of the {} {}, not {}; choose another file, or --overwrite this one",
      file.string(), what, is.empty() ? "that it does not name" : on_one_line(is),
      on_one_line(expected)));
}

}  // namespace

void check(const JudgingJob& job) {
  if (job.output.empty() && !job.dry_run)
    throw usage_error("-o: no file is named for what the judge says; give -o annotations.json");
  if (job.output.empty() && (job.resume || job.overwrite))
    throw usage_error("--resume and --overwrite are about the file of -o; name it, or leave them");
  if (job.resume && job.overwrite)
    throw usage_error(
        "--resume takes over what the file of -o says, and --overwrite drops it; give one of them");
}

void check_output(Filesystem& filesystem, const JudgingJob& job) {
  if (job.output.empty()) return;
  const fs::path place = filesystem.canonical(job.output);
  for (const fs::path& input : {job.model_outputs, job.reference_outputs, job.cache}) {
    if (!input.empty() && filesystem.canonical(input) == place)
      throw usage_error(fmt::format("{}: -o names a file that this command reads; choose another",
                                    job.output.string()));
  }
  const auto status = filesystem.status(job.output);
  if (!status) return;
  if (!status->is_regular)
    throw usage_error(fmt::format("{}: -o names no file; choose another", job.output.string()));
  if (job.resume || job.overwrite || job.dry_run) return;
  throw usage_error(
      fmt::format("{}: this file exists; --resume asks only for the preferences that it lacks, and "
                  "--overwrite replaces it",
                  job.output.string()));
}

Judging::Judging(Filesystem& filesystem, JudgingJob job, const std::string& origin)
    : filesystem_(filesystem),
      job_(std::move(job)),
      pairs_(read_answer_pairs(filesystem, job_.model_outputs, job_.reference_outputs,
                               job_.allow_missing)),
      template_(filesystem, job_.prompt_template) {
  check(job_);
  if (!job_.generator.empty()) pairs_.model = job_.generator;
  check_output(filesystem_, job_);
  read_known(annotator_name(job_.judge.sampling.model));
  open_cache();
  judge_.emplace(pairs_, template_, origin, job_.judge, known_, *cache_);
}

void Judging::read_known(const std::string& annotator) {
  for (const fs::path& file : job_.reuse) known_.read(filesystem_, file, annotator);
  if (!job_.resume || !filesystem_.status(job_.output)) return;
  check_resumed(annotator);
  known_.read(filesystem_, job_.output, annotator);
}

/// What is resumed is replaced, so nothing in it may be of other models or of another judge.
void Judging::check_resumed(const std::string& annotator) {
  const Annotations earlier = read_annotations(filesystem_, job_.output);
  require_same(job_.output, "model", earlier.model, pairs_.model);
  require_same(job_.output, "baseline", earlier.baseline, pairs_.baseline);
  require_same(job_.output, "judge", earlier.judge, annotator);
}

/// A dry run reads a cache that is there, and makes none.
void Judging::open_cache() {
  fs::path file = job_.cache;
  if (file.empty() && !job_.output.empty()) file = beside(job_.output);
  const bool is_needed = !job_.dry_run || (!file.empty() && filesystem_.status(file));
  if (is_needed) {
    cache_.emplace(filesystem_, file);
  } else {
    cache_.emplace(scratch_, "/replies.jsonl");
  }
}

std::vector<std::string> Judging::warnings() const {
  std::vector<std::string> warnings = pairs_.warnings;
  std::ranges::move(judge_->warnings(), std::back_inserter(warnings));
  return warnings;
}

JudgeResult Judging::run(ChatModel& model, const CancellationToken& cancellation,
                         RowProgress* progress) {
  JudgeResult result = judge_->run(model, cancellation, progress);
  if (result.count(VerdictSource::none) == result.rows.size()) {
    throw environment_error(fmt::format("{}, and so it is with all {}",
                                        failure_warnings(pairs_, result).front(),
                                        counted(result.rows.size(), "row")));
  }
  write_annotations(filesystem_, job_.output,
                    annotations_json(pairs_, result, annotator_name(job_.judge.sampling.model)));
  return result;
}

}  // namespace expo
