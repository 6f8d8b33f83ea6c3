#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"
#include "expo/core/progress.h"
#include "expo/engine/engine_spec.h"
#include "expo/engine/tokens/model_tokenizer.h"
#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

/// A whole checkpoint that was written for servers to read.
struct StagedCheckpoint {
  std::filesystem::path folder;  ///< on this machine, absolute
  std::string alpha;             ///< AlphaSchedule::description()
  std::string digest;            ///< of the bytes of its weights
  std::optional<double> effective_alpha = {};
  RoundingDecision rounding;
  std::vector<std::string> warnings = {};
  /// The tensors that a head which is the embedding may be read from, if α moves it: the embedding,
  /// and the head where it is stored too.
  std::vector<std::string> tied_head = {};
};

/// Checkpoints θ + αΔ for servers to read, in two folders by turns: what was asked for last stays
/// while the next one is written. The values are those that run_extrapolation writes, in the
/// servers' type, with the tensors in the order of the layers. Files that no α changes are written
/// once and have a name in both folders, so nothing there may be changed in place. The folders are
/// removed at the end.
class StagedWeights {
 public:
  /// Takes the lock of the staging folder, which is made if need be, or shares the one given.
  /// Throws Error(environment) if another run has it, and Error(usage) if `inputs`, the files and
  /// folders of the pair, are in its way, or something else is. `filesystem` and `environment` must
  /// outlive this object.
  StagedWeights(Filesystem& filesystem, const Environment& environment, ServedPair pair,
                DType dtype, const std::vector<std::filesystem::path>& inputs,
                std::shared_ptr<OutputLock> lock = {});
  ~StagedWeights();
  StagedWeights(const StagedWeights&) = delete;
  StagedWeights& operator=(const StagedWeights&) = delete;

  /// The checkpoint at α, which is written unless one of the two folders has it. Its folder is
  /// valid until the second other α after it is asked for. Thread-safe. Throws what
  /// run_extrapolation throws: Error(usage) for a folder that is, holds or lies in an input,
  /// Error(environment) for a disk without room.
  StagedCheckpoint at(const AlphaSchedule& alpha, const CancellationToken& cancellation);

  /// A checkpoint that at() has given, in a third folder and with another head: one by which no
  /// log-probability of the texts' answers can change unless its tied_head is read as a head (see
  /// head_changes). Valid until at() writes. Thread-safe. Throws Error(input) if each token of the
  /// vocabulary is in the texts, and Error(environment).
  StagedCheckpoint with_other_head(const StagedCheckpoint& checkpoint,
                                   std::span<const AnsweredTokens> texts,
                                   const CancellationToken& cancellation);

  /// Removes the checkpoints, so that none is valid any more, and others that share the lock may
  /// stage theirs in the folder, until at() writes again. Thread-safe.
  void let_go();

  const std::shared_ptr<OutputLock>& lock() const { return lock_; }
  DType dtype() const { return dtype_; }

 private:
  struct Slot {
    std::filesystem::path folder;
    std::optional<StagedCheckpoint> holds = {};
    std::shared_ptr<const FixedFiles> fixed = {};
    std::uint64_t used = 0;  ///< the number of the call that used it last
  };

  /// A checkpoint with another head, and which one has it of its own.
  struct OtherHead {
    std::string of;  ///< digest
    StagedCheckpoint checkpoint;
  };

  void remove_written();
  void write(Slot& slot, const AlphaSchedule& alpha, const CancellationToken& cancellation);
  void write_other_head(const StagedCheckpoint& checkpoint, std::span<const AnsweredTokens> texts,
                        const CancellationToken& cancellation);
  void clear(const std::filesystem::path& folder);
  std::string digest_of(const Checkpoint& written, const CancellationToken& cancellation) const;

  Filesystem& filesystem_;
  const Environment& environment_;
  ServedPair pair_;
  DType dtype_;
  std::shared_ptr<OutputLock> lock_;
  std::array<Slot, 2> slots_;
  std::filesystem::path head_folder_;
  std::optional<OtherHead> other_head_;
  std::set<std::filesystem::path> written_;  ///< what is removed at the end
  std::uint64_t calls_ = 0;
  std::mutex mutex_;  ///< of slots_, other_head_, written_ and calls_
};

}  // namespace expo
