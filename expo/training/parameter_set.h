#pragma once

#include <ATen/ATen.h>

#include <span>
#include <string>
#include <vector>

namespace expo {

/// What is asked of a ParameterSet for one tensor.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  bool decays = true;  ///< weight decay applies
  bool exact = false;  ///< the forward pass takes it in float32, whatever it computes in
  bool split = false;  ///< a matrix that the forward pass takes as two narrow ones (split_linear.h)
};

/// One tensor that training moves.
struct Parameter {
  std::string name;
  bool decays = true;
  std::int64_t first = 0;  ///< its place in values() and gradients()
  std::int64_t count = 0;
  at::Tensor value;     ///< float32, a view into values()
  at::Tensor gradient;  ///< float32, a view into gradients()
  at::Tensor
      compute;      ///< the leaf that the forward pass uses; `value` itself where the types agree
  at::Tensor pair;  ///< of a split one [out, 2·in], of which `compute` is the left half
};

/// All that training moves, in one piece each of float32 values and gradients, so that the
/// optimiser and the ranks can divide it anywhere. Between the tensors lie zeros. Not thread-safe.
class ParameterSet {
 public:
  ParameterSet() = default;
  /// The total is rounded up to a multiple of `multiple` elements.
  ParameterSet(std::span<const ParameterSpec> specs, at::ScalarType compute, std::int64_t multiple);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }

  /// The leaves take the values, rounded to their type; after values() changed.
  void refresh();
  /// Adds what backward passes left at the leaves [first, last) to gradients().
  void collect(std::size_t first, std::size_t last);
  void zero_gradients();

 private:
  void make_leaf(Parameter& parameter, const ParameterSpec& spec) const;

  std::vector<Parameter> parameters_;
  at::ScalarType compute_ = at::kFloat;
  at::Tensor values_, gradients_;
};

}  // namespace expo
