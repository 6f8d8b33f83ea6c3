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

/// What reference log-probabilities depend on.
struct ReferenceKey {
  /// A digest of weights, architecture and everything that rounding depends on, so that kept values
  /// equal those that would be computed.
  std::string model;
  std::string data;  ///< ExampleSet::digest
};

/// A digest of weights in memory: "xxh3-128:…".
std::string digest_of(const at::Tensor& values);

/// Computes the log-probabilities of the rows of some examples, two for each example, on all ranks
/// together.
using ReferenceComputation = std::function<std::vector<double>(std::span<const Example> examples)>;

struct ReferencePass {
  std::filesystem::path folder;  ///< folder of the file
  ReferenceKey key;
  /// The tokens of a batch on all ranks together, which is computed and kept at once; it has at
  /// least one example.
  std::int64_t tokens_per_batch = 1024;
  std::string_view noun = "pair";  ///< what messages call an example
  ReferenceComputation compute;
  /// Called on the first rank with the progress: at the start, after the first batch, and every ten
  /// seconds; not if everything was kept already.
  std::function<void(const std::string&)> on_note = {};
};

struct ReferenceCounts {
  std::uint64_t kept = 0;  ///< examples whose log-probabilities were in a file
  std::uint64_t computed = 0;

  ReferenceCounts& operator+=(const ReferenceCounts& other);
};

/// Fills in Example::reference from the file for the key in the folder if there is one; otherwise
/// computes the values batch by batch and writes the file. From the first batch on, computed values
/// are kept in a second file, which is complete after every write, and the next call continues from
/// there to the same values. An Error (including an interruption, whose message says how many are
/// kept) loses the current batch; a killed process also loses what has not been written yet, as
/// writing is limited to a twentieth of the time. A file is trusted if its own digest and its key
/// are right and the longest example, computed again, gives the same values; otherwise throws
/// Error(input). Throws Error(input) naming the row for a value that is not a number. All ranks
/// must call it; the first one reads and writes.
ReferenceCounts fill_references(Filesystem& filesystem, const ReferencePass& pass,
                                std::span<Example> examples, RankGroup& ranks,
                                const CancellationToken& cancellation);

}  // namespace expo
