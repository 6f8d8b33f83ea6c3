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
  /// Sums float64 values in CPU memory over all ranks, in place, with the same bits on all ranks.
  virtual void sum(at::Tensor& values) = 0;
  /// Sums `whole` over all ranks; each rank gets its share, one of size() equal ones, on the same
  /// device.
  virtual at::Tensor reduce_scatter(const at::Tensor& whole) = 0;
  /// Puts every rank's share into `whole`; `share` may be a part of it.
  virtual void all_gather(const at::Tensor& share, const at::Tensor& whole) = 0;
  virtual void barrier() = 0;
};

/// A group of one process, which exchanges nothing.
std::unique_ptr<RankGroup> single_rank();

}  // namespace expo
