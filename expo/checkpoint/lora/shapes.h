#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/update.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {

/// Decides whether square weights are (in, out), as in GPT-2's Conv1D, or (out, in), as in Linear;
/// for all other weights the shapes of A and B show it. PEFT goes by the class of the module, which
/// no file records. Here the other adapted weights of the model's layers decide, or else the
/// model's type, or else fan_in_fan_out.
class SquareOrientation {
 public:
  /// `original` returns the base's tensor for a pair.
  SquareOrientation(const AdapterWeights& adapter, const Checkpoint& base,
                    const std::function<std::size_t(const LoraPair&)>& original);

  /// Throws Error(input) if the adapted weights of the layers are of both kinds.
  bool transposed(const LoraPair& pair) const;

 private:
  const AdapterWeights& adapter_;
  bool conv1d_model_ = false;
  bool some_upright_ = false;
  bool some_transposed_ = false;
};

/// Makes the update that a pair adds to a weight of the base; reads A and B. Convolutions count as
/// matrices of (out, in·kernel). Throws Error(input) naming the adapter's tensor if A, B and the
/// weight do not fit together (as in grouped convolutions, which PEFT does not merge either).
std::shared_ptr<const LoraUpdate> make_update(const AdapterWeights& adapter, const LoraPair& pair,
                                              const Tensor& weight,
                                              const SquareOrientation& squares);

}  // namespace expo
