#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/planned_values.h"
#include "expo/model/weight_store.h"

namespace expo {

/// Writes a plan's values, computed piece by piece from the two checkpoints, into a store. `sft`
/// may be null for a plan without counterparts; all arguments must outlive it. It may be run only
/// once.
class WeightFilling {
 public:
  WeightFilling(const Plan& plan, const Checkpoint* sft, const Checkpoint& aligned,
                WeightStore& store, const PlannedValues::Options& options);

  /// Reads from the disk, past the page cache unless that holds the files, with a few threads more
  /// than `threads`: some of them wait for the disk while the processors are busy.
  void read_once(unsigned threads, const CancellationToken& cancellation);
  /// Reads views of mapped files, which stay in the page cache for later reads.
  void read_views(unsigned threads, const CancellationToken& cancellation);

  /// The changes of each tensor; they do not depend on how the files were read or by how many
  /// threads.
  std::vector<TensorDelta> deltas() const;

 private:
  /// Consecutive blocks of one tensor that are read at once.
  struct Piece {
    const TensorPlan* plan;
    std::size_t entry;  ///< index in the store
    std::size_t first_block;
    std::size_t blocks;  ///< at least 1
  };
  struct Worker;

  void cut(const TensorPlan& plan);
  std::vector<Piece> pieces(std::uint64_t elements) const;
  void run(const std::vector<Piece>& pieces, unsigned threads, bool takes_views,
           const CancellationToken& cancellation);
  void fill(const Piece& piece, Worker& worker);

  const Checkpoint* sft_;
  const Checkpoint& aligned_;
  WeightStore& store_;
  PlannedValues values_;
  std::map<std::string, std::size_t> entries_;
  /// The ranges that a thread computes at once: their inputs and output fit in the processor's
  /// cache.
  std::vector<PlannedValues::Range> blocks_;
  std::vector<Piece> tensors_;   ///< one piece for each tensor
  std::vector<DeltaSums> sums_;  ///< one entry for each block
};

}  // namespace expo
