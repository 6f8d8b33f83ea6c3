#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
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

/// Fills in Example::reference from a file of `folder`, where one lies there for the key, and else
/// computes them, `chunk` at a time, and writes it. What an interrupted call has computed is kept
/// beside it, and the next one goes on from there to the same values. A file is trusted when its
/// own digest holds, its key is this one, and the longest example, computed again, gives what it
/// says; otherwise Error(input), as for what is not a number, naming the row. Returns whether a
/// file was used. Called by all ranks; the first reads and writes.
bool fill_references(Filesystem& filesystem, const std::filesystem::path& folder,
                     const ReferenceKey& key, std::span<Example> examples, RankGroup& ranks,
                     std::size_t chunk, const ReferenceComputation& compute);

}  // namespace expo
