#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "expo/training/model/parameter_set.h"

namespace expo {

struct AdamWSpec {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

/// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization") over the elements [first,
/// last) of a ParameterSet, the share of one rank. Not thread-safe.
class AdamW {
 public:
  AdamW(const ParameterSet& parameters, const AdamWSpec& spec, std::int64_t first,
        std::int64_t last);

  /// Updates `values` with `gradients`, both float32 [last − first].
  void step(double learning_rate, const at::Tensor& values, const at::Tensor& gradients);

  std::int64_t first() const { return first_; }
  std::int64_t last() const { return last_; }
  // The state, for saving and restoring; its memory is allocated by the first step or call.
  const at::Tensor& first_moment() const;
  const at::Tensor& second_moment() const;
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  /// Elements of the share that weight decay treats in the same way.
  struct Run {
    std::int64_t first;
    std::int64_t count;
    bool decays;
  };
  void find_runs(const ParameterSet& parameters);
  void step_runs(double learning_rate, const at::Tensor& values, const at::Tensor& gradients,
                 bool decays);

  AdamWSpec spec_;
  std::int64_t first_, last_;
  std::vector<Run> runs_;
  void allocate() const;

  at::TensorOptions options_;
  mutable at::Tensor first_moment_, second_moment_;
  std::int64_t steps_ = 0;
};

}  // namespace expo
