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

/// Rows through a model and its head, packed: the number that each row gets, a log-probability or a
/// reward, and the way back from it. Forward only, it needs neither gradients nor an optimiser. Not
/// thread-safe.
class RowPass {
 public:
  /// `model` must outlive it; its values may change between passes. `checkpointing` as
  /// TrainableDecoder has it.
  explicit RowPass(const TrainableModel& model, bool checkpointing = false);

  std::vector<double> values(std::span<const TokenRow* const> rows);
  /// Likewise, keeping what backward() needs, for a model with gradients; `pass` as
  /// TrainableDecoder::forward() has it.
  std::vector<double> forward(std::span<const TokenRow* const> rows, std::uint64_t pass);
  /// Of the last call: how many tokens each value sums over.
  const std::vector<std::int64_t>& counts() const { return head_->counts(); }
  /// Adds to the model's gradients, given the derivatives by the values of the last forward(). Call
  /// at most once for each forward().
  void backward(std::span<const double> gradients);

 private:
  const TrainableModel& model_;
  TrainableDecoder decoder_;
  std::unique_ptr<RowValues> head_;
  at::Tensor hidden_;  ///< of the last forward(), until backward()
};

}  // namespace expo
