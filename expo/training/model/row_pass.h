#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "expo/training/model/packed_rows.h"
#include "expo/training/model/row_values.h"
#include "expo/training/model/trainable_decoder.h"
#include "expo/training/model/trainable_model.h"

namespace expo {

/// Forward and backward pass of packed rows through a model and its head. Each row gets one value,
/// a log-probability or a reward. The forward pass alone needs neither gradients nor an optimiser.
/// Not thread-safe.
class RowPass {
 public:
  /// `model` must outlive it; its values may change between passes. `checkpointing` is that of
  /// TrainableDecoder.
  explicit RowPass(const TrainableModel& model, bool checkpointing = false);

  std::vector<double> values(std::span<const TokenRow* const> rows);
  /// Returns the same as values(), and keeps what backward() needs, for a model with gradients;
  /// `pass` is that of TrainableDecoder::forward().
  std::vector<double> forward(std::span<const TokenRow* const> rows, std::uint64_t pass);
  /// The number of tokens that each value of the last call sums over.
  const std::vector<std::int64_t>& counts() const { return head_->counts(); }
  /// Adds to the model's gradients, given the derivatives of the loss with respect to the values of
  /// the last forward(). Call it at most once for each forward().
  void backward(std::span<const double> gradients);

 private:
  const TrainableModel& model_;
  TrainableDecoder decoder_;
  std::unique_ptr<RowValues> head_;
  at::Tensor hidden_;  ///< hidden states of the last forward(), until backward()
};

}  // namespace expo
