#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/update.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {

/// Whether square weights are (in, out), as Conv1D's of GPT-2 are, or (out, in), as Linear's: the
/// shapes of A and B tell it for all others. PEFT goes by the kind of the module, which no file
/// tells; here the other adapted weights of the model's layers decide, or else the model's type,
/// or else fan_in_fan_out.
class SquareOrientation {
 public:
  /// `original` gives the base's tensor of a pair.
  SquareOrientation(const AdapterWeights& adapter, const Checkpoint& base,
                    const std::function<std::size_t(const LoraPair&)>& original);

  /// Throws Error(input) where the adapted weights of the layers are of both kinds.
  bool transposed(const LoraPair& pair) const;

 private:
  const AdapterWeights& adapter_;
  bool conv1d_model_ = false;
  bool some_upright_ = false;
  bool some_transposed_ = false;
};

/// What a pair adds to a weight of the base; reads A and B. Convolutions are matrices of (out,
/// in·kernel). Throws Error(input) naming the adapter's tensor where A, B and the weight do not fit
/// (so for grouped convolutions, which PEFT does not merge either).
std::shared_ptr<const LoraUpdate> make_update(const AdapterWeights& adapter, const LoraPair& pair,
                                              const Tensor& weight,
                                              const SquareOrientation& squares);

}  // namespace expo
