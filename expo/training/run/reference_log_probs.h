#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/training/data/example.h"
#include "expo/training/ranks/group.h"

namespace expo {

/// What reference log-probabilities belong to.
struct ReferenceKey {
  /// A digest of weights, architecture and all that rounding depends on: values that were kept are
  /// those that would be computed.
  std::string model;
  std::string data;  ///< ExampleSet::digest
};

/// A digest of weights in memory: "xxh3-128:…".
std::string digest_of(const at::Tensor& values);

/// The log-probabilities of the rows of some examples, two for each, on all ranks together.
using ReferenceComputation = std::function<std::vector<double>(std::span<const Example> examples)>;

struct ReferencePass {
  std::filesystem::path folder;  ///< of the file
  ReferenceKey key;
  /// Tokens of a batch, on all ranks together: what is computed and kept at once, one example at
  /// least.
  std::int64_t tokens_per_batch = 1024;
  std::string_view noun = "pair";  ///< what messages call an example
  ReferenceComputation compute;
  /// Told how far it has come, on the first rank: where it begins, after the first batch, and every
  /// ten seconds; not where everything is kept.
  std::function<void(const std::string&)> on_note = {};
};

struct ReferenceCounts {
  std::uint64_t kept = 0;  ///< examples whose log-probabilities a file had
  std::uint64_t computed = 0;

  ReferenceCounts& operator+=(const ReferenceCounts& other);
};

/// Fills in Example::reference from a file of the folder, where one lies there for the key, and
/// else computes them, batch by batch, and writes it. What is computed is kept beside it from the
/// first batch on, in a file that is whole after every write, and the next call goes on from there
/// to the same values: an Error (also an interruption, whose message says how many are kept) loses
/// the batch at hand, a killed process what a twentieth of its time could not write. A file is
/// trusted when its own digest holds, its key is this one, and the longest example, computed again,
/// gives what it says; otherwise Error(input), as for what is not a number, naming the row. Called
/// by all ranks; the first reads and writes.
ReferenceCounts fill_references(Filesystem& filesystem, const ReferencePass& pass,
                                std::span<Example> examples, RankGroup& ranks,
                                const CancellationToken& cancellation);

}  // namespace expo
