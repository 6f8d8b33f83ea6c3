#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <vector>

#include "expo/training/model/packed_rows.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Computes one value per row from the head, and its backward pass. Not thread-safe.
class RowValues {
 public:
  virtual ~RowValues() = default;
  /// `hidden` holds the normalised hidden states of the packed rows.
  virtual std::vector<double> forward(const at::Tensor& hidden,
                                      std::span<const TokenRow* const> rows) = 0;
  /// The number of tokens that each value of the last forward() sums over.
  virtual const std::vector<std::int64_t>& counts() const = 0;
  /// Takes the derivatives of the loss with respect to the values of the last forward(), adds to
  /// the head's gradient, and returns the derivatives with respect to `hidden`.
  virtual at::Tensor backward(const at::Tensor& hidden, std::span<const double> gradients) = 0;
};

/// For a language model, the values are the summed log-probabilities of the tokens that count; for
/// a reward model, the rewards, read as in transformers at the last token that is not the padding
/// token.
std::unique_ptr<RowValues> make_row_values(const TrainableModel& model);

}  // namespace expo
