#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {

/// A job that writes one checkpoint of any format as Hugging Face safetensors.
struct ConversionJob {
  std::string input;
  std::filesystem::path output;
  std::optional<DType> out_type;
  std::uint64_t max_shard_size = 5'000'000'000;
  unsigned threads = 0;
  bool overwrite = false;
  bool dry_run = false;
  bool allow_overflow = false;
  std::string command;
};

/// What a conversion did, or would do in a dry run.
struct ConversionReport {
  std::filesystem::path output;
  std::string format;  ///< the input's format
  std::size_t tensors = 0;
  std::vector<std::pair<std::string, std::uint64_t>> files;
  std::vector<FileDigest> input_files;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  double seconds = 0;
  bool dry_run = false;
  /// The share of the input's values, 0 to 1 and estimated from a sample, that lie exactly halfway
  /// between two numbers of the 16-bit type that they are, or are likely to be, rounded to.
  double ties = 0;
  std::vector<std::string> warnings;
};

/// Writes safetensors shards with every sidecar file (rebuilt from a GGUF's metadata) and a
/// run.json. The output appears whole or not at all. Values keep their bits if their type stays the
/// same, and are otherwise rounded once, to nearest. Throws Error.
ConversionReport run_conversion(Filesystem& filesystem, const Environment& environment,
                                const ConversionJob& job, Progress* progress,
                                const CancellationToken& cancellation);

Json to_json(const ConversionReport& report);

}  // namespace expo
