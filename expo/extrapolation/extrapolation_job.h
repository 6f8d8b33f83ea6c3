#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/delta_warnings.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {

/// θ + α(θ − θ_sft) from two checkpoints on disk to a third one.
struct ExtrapolationJob {
  std::string sft;  ///< references, as open_checkpoint reads them
  std::string aligned;
  std::filesystem::path output;  ///< a folder; or, ending in .gguf, a file, for two GGUF inputs
  AlphaSchedule alpha{0};
  std::optional<DType> out_type;  ///< default: ALIGNED's types
  bool q8_0 = false;              ///< GGUF output: matrices as Q8_0 blocks
  /// like_original also makes the output bf16. Q8_0 blocks round to nearest: automatic is nearest
  /// for them, and stochastic is refused.
  RoundingChoice rounding = RoundingChoice::automatic;
  std::uint64_t seed = 0;  ///< of stochastic rounding
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  std::uint64_t max_shard_size = 5'000'000'000;
  unsigned threads = 0;
  bool overwrite = false;
  bool resume = false;
  bool dry_run = false;
  bool allow_overflow = false;
  std::string command;  ///< how a person would do it again, for the model card
};

/// What an extrapolation did, or would do in a dry run.
struct ExtrapolationReport {
  std::filesystem::path output;
  std::string alpha;  ///< AlphaSchedule::description()
  /// The one α, or after the work the Δ²-weighted mean of several; nothing before it.
  std::optional<double> asked_alpha;
  /// What was done about rounding, or would be as far as a sample tells; nothing for an adapter.
  std::optional<RoundingDecision> rounding;
  std::size_t tensors = 0;
  std::vector<std::pair<std::string, std::uint64_t>>
      files;  ///< weight files of the output and their sizes
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t free_bytes = 0;    ///< of the output's disk, before
  std::uint64_t memory_bytes = 0;  ///< estimate of the peak
  unsigned threads = 0;
  double seconds = 0;
  bool resumed = false;
  bool dry_run = false;
  /// Tensors that were extrapolated; empty where nothing was measured (a dry run, an adapter).
  std::vector<TensorDelta> deltas;
  std::vector<Mismatch> mismatches;
  std::vector<FileDigest> sft_files;
  std::vector<FileDigest> aligned_files;
  std::string
      verdict;  ///< relation_name() of what the pair looks like; empty where nothing was compared
  std::vector<std::string> warnings;
};

/// Runs the job: nothing is written before every check has passed, and the output appears whole or
/// not at all. Interrupted or failed work stays in a hidden sibling folder of the output, which the
/// same job with `resume` finishes and the next one without it removes. Where the finished weights
/// show that nearest does not keep α although the sample said so, they are computed again with
/// stochastic rounding. Throws Error.
ExtrapolationReport run_extrapolation(Filesystem& filesystem, const Environment& environment,
                                      const ExtrapolationJob& job, Progress* progress,
                                      const CancellationToken& cancellation);

/// The report as --json prints it: alpha, output, tensors, bytes_read, bytes_written, seconds,
/// rounding, delta, …
Json to_json(const ExtrapolationReport& report);

}  // namespace expo
