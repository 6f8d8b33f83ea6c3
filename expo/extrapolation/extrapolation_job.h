#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
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

/// The files of an output that are the same at every α, for a later job.
struct FixedFiles;

/// A job that writes θ + α(θ − θ_sft) from two checkpoints on disk to a third one.
struct ExtrapolationJob {
  std::string sft;  ///< references, as open_checkpoint reads them
  std::string aligned;
  std::filesystem::path output;  ///< a folder, or for two GGUF inputs a file that ends in .gguf
  AlphaSchedule alpha{0};
  std::optional<DType> out_type;  ///< default: ALIGNED's types
  bool q8_0 = false;              ///< GGUF output: matrices as Q8_0 blocks
  /// like_original also makes the output bf16. Q8_0 blocks are always rounded to nearest: automatic
  /// means nearest for them, and stochastic is refused.
  RoundingChoice rounding = RoundingChoice::automatic;
  std::uint64_t seed = 0;  ///< for stochastic rounding
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  std::uint64_t max_shard_size = 5'000'000'000;
  unsigned threads = 0;
  bool overwrite = false;
  bool resume = false;
  bool dry_run = false;
  bool allow_overflow = false;
  /// Lay the tensors out by layer, as programs that load them one by one want them, instead of in
  /// ALIGNED's order. Their values are the same.
  bool layer_order = false;
  bool input_digests = true;  ///< false: the report names no files of the inputs
  /// false: what a failed run has finished is not kept for `resume`.
  bool keep_finished = true;
  /// Of an earlier output that is still in its place: files that are the same at this α, from the
  /// same inputs and settings, get a second name (a hard link) in the output instead of being
  /// written, where the filesystem can do that; neither output may be changed in place then. Has no
  /// effect with `resume`. May be null.
  std::shared_ptr<const FixedFiles> fixed = nullptr;
  std::string command;  ///< the command line to repeat the run, for the model card
};

/// What an extrapolation did, or would do in a dry run.
struct ExtrapolationReport {
  std::filesystem::path output;
  std::string alpha;  ///< AlphaSchedule::description()
  /// The single α, or the Δ²-weighted mean of several, which is known only after the work;
  /// std::nullopt before.
  std::optional<double> asked_alpha;
  /// What was decided about rounding, in a dry run as far as a sample tells; std::nullopt for an
  /// adapter.
  std::optional<RoundingDecision> rounding;
  std::size_t tensors = 0;
  std::vector<std::pair<std::string, std::uint64_t>>
      files;  ///< weight files of the output and their sizes
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t free_bytes = 0;    ///< on the output's disk, before the run
  std::uint64_t memory_bytes = 0;  ///< estimated peak
  unsigned threads = 0;
  double seconds = 0;
  bool resumed = false;
  bool dry_run = false;
  /// The tensors that were extrapolated; empty if nothing was measured (a dry run, an adapter).
  std::vector<TensorDelta> deltas;
  std::vector<Mismatch> mismatches;
  std::vector<FileDigest> sft_files;
  std::vector<FileDigest> aligned_files;
  std::string
      verdict;  ///< relation_name() of what the pair looks like; empty if nothing was compared
  std::vector<std::string> warnings;
  std::shared_ptr<const FixedFiles> fixed;  ///< for later jobs; null: no folder was written
};

/// Runs the job: nothing is written before every check has passed, and the output appears whole or
/// not at all. What an interrupted or failed run has finished stays in a hidden sibling folder of
/// the output; the same job with `resume` completes it, and the next job without `resume` removes
/// it. If the finished weights show that rounding to nearest does not keep α although the sample
/// said so, they are computed again with stochastic rounding. Throws Error.
ExtrapolationReport run_extrapolation(Filesystem& filesystem, const Environment& environment,
                                      const ExtrapolationJob& job, Progress* progress,
                                      const CancellationToken& cancellation);

/// The report as --json prints it: alpha, output, tensors, bytes_read, bytes_written, seconds,
/// rounding, delta, …
Json to_json(const ExtrapolationReport& report);

}  // namespace expo
