#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

namespace expo {

/// The processes that train one model together. All of them make the same calls in the same order.
class RankGroup {
 public:
  virtual ~RankGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Sums float64 values in ordinary memory over all ranks, in place, the same bits everywhere.
  virtual void sum(at::Tensor& values) = 0;
  /// Sums `whole` over all ranks; each gets its share of size() equal ones, on the same device.
  virtual at::Tensor reduce_scatter(const at::Tensor& whole) = 0;
  /// Puts every rank's share into `whole`; `share` may lie in it.
  virtual void all_gather(const at::Tensor& share, const at::Tensor& whole) = 0;
  virtual void barrier() = 0;
};

/// One process alone: nothing to exchange.
std::unique_ptr<RankGroup> single_rank();

}  // namespace expo
