#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <vector>

#include "expo/training/model/packed_rows.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// The number that the head gives each row, and the way back from it. Not thread-safe.
class RowValues {
 public:
  virtual ~RowValues() = default;
  /// `hidden` is that of the packed rows, normalised.
  virtual std::vector<double> forward(const at::Tensor& hidden,
                                      std::span<const TokenRow* const> rows) = 0;
  /// How many tokens each value of the last forward() sums over.
  virtual const std::vector<std::int64_t>& counts() const = 0;
  /// Given the derivatives by the values of the last forward(): adds to the head's gradient and
  /// returns the derivatives by `hidden`.
  virtual at::Tensor backward(const at::Tensor& hidden, std::span<const double> gradients) = 0;
};

/// Of a language model the log-probability of the tokens that count, summed; of a reward model the
/// reward, read where transformers reads it: at the last token that is not the padding token.
std::unique_ptr<RowValues> make_row_values(const TrainableModel& model);

}  // namespace expo
