#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/extrapolation/write/run_journal.h"

namespace expo {

struct PipelineOptions {
  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;
  unsigned threads = 0;         ///< 0: default_threads()
  bool allow_overflow = false;  ///< finite weights may become infinite in the output type
  bool digests = true;
  RunJournal* journal =
      nullptr;  ///< files that it lists as finished are skipped; others are added when finished
  Progress* progress = nullptr;
  const char* what = "";  ///< the name of the work, for the progress display
};

struct PipelineResult {
  std::vector<DeltaSums> sums;  ///< per tensor of the plan; all zero if ALIGNED's values were taken
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::vector<FileDigest> sft_files;
  std::vector<FileDigest> aligned_files;
};

/// The number of threads that keeps a disk busy while others compute, within 300 MB of memory.
unsigned default_threads(const Checkpoint* sft, const Checkpoint& aligned, const Plan& plan);

/// Reads, computes and writes every file of `layout` into the existing `folder`: space for all
/// files is reserved before the first byte is written, and each file is synced and closed when its
/// last block is done. `tensors` are those that were laid out, one per tensor of the plan, in its
/// order. Memory does not grow with the checkpoint; the bytes do not depend on the number of
/// threads. `sft` may be null for a plan without counterparts. Throws Error: input (an input was
/// cut short; a weight became infinite and allow_overflow is off), environment, interrupted. If it
/// throws, the folder holds unfinished files.
PipelineResult run_pipeline(Filesystem& filesystem, const Checkpoint* sft,
                            const Checkpoint& aligned, const Plan& plan,
                            const std::vector<OutputTensor>& tensors, const OutputLayout& layout,
                            const std::filesystem::path& folder, const PipelineOptions& options,
                            const CancellationToken& cancellation);

}  // namespace expo
