#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/value_health.h"

namespace expo {

/// The tensors of one storage format.
struct StoredType {
  std::string stored;  ///< "BF16", "Q4_1"
  std::uint64_t tensors = 0;
  std::uint64_t elements = 0;
};

/// The tensors of one kind of module (kind_label of tensor_groups.h).
struct KindSummary {
  std::string kind;
  std::uint64_t tensors = 0;
  std::uint64_t elements = 0;
};

/// Odd values in one tensor.
struct TensorHealth {
  std::size_t tensor = 0;  ///< index into the checkpoint's tensors
  ValueHealth health;
  /// The number of values that lie halfway between two numbers of the 16-bit type that the tensor
  /// is served in: its own, or bfloat16 for wider and quantised ones.
  std::uint64_t ties = 0;
};

/// What is in one checkpoint.
struct CheckpointSummary {
  std::uint64_t tensors = 0;
  std::uint64_t parameters = 0;    ///< elements of floating tensors
  std::uint64_t file_bytes = 0;    ///< size of the weight files
  std::vector<StoredType> types;   ///< in order of first appearance
  std::vector<KindSummary> kinds;  ///< in order of first appearance
  unsigned layers = 0;             ///< layers of the language model, from tensor names; 0: none
  std::string architecture;  ///< the first of config.json's `architectures`, else its `model_type`
  std::string model_type;
  std::optional<std::string> tokenizer;
  bool has_chat_template = false;
  std::optional<bool> tied_embeddings;  ///< according to config.json
  bool has_head = false;                ///< an output head of its own
  std::vector<std::string> warnings;    ///< the warnings of the reader
  /// An entry for every tensor of a type with arithmetic; filled only by check_values.
  std::vector<TensorHealth> health;
};

/// Summarises a checkpoint from headers and sidecar files, without reading values.
CheckpointSummary summarise(Filesystem& filesystem, const Checkpoint& checkpoint);

/// How check_values runs; its result does not depend on these options.
struct CheckOptions {
  unsigned threads = 0;  ///< 0: available_threads()
  Progress* progress = nullptr;
};

/// Reads every value of a type with arithmetic once and counts what is odd. The result does not
/// depend on the number of threads. Throws Error: input (a file was cut short), interrupted.
std::vector<TensorHealth> check_values(const Checkpoint& checkpoint, const CheckOptions& options,
                                       const CancellationToken& cancellation);

/// The share of the values that check_values() read which are ties, 0 to 1.
double tie_share(const CheckpointSummary& summary);

}  // namespace expo
