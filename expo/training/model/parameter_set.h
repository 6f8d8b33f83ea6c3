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
  bool decays = true;   ///< weight decay applies
  bool paired = false;  ///< where products are in bfloat16, they take LinearWeight's pair
};

/// One tensor that training moves.
struct Parameter {
  std::string name;
  bool decays = true;
  std::int64_t first = 0;  ///< its place in values() and gradients()
  std::int64_t count = 0;
  at::Tensor value;     ///< float32, a view into values()
  at::Tensor gradient;  ///< float32, a view into gradients(); undefined as they are
  at::Tensor leaf;      ///< `value` as autograd sees it, which adds to `gradient` in place
  at::Tensor pair;      ///< LinearWeight's; undefined where the passes take the value
};

/// All that training moves, in one piece each of float32 values and gradients, so that the
/// optimiser and the ranks can divide it anywhere. Between the tensors lie zeros. Gradients take
/// memory only once somebody asks for them. Not thread-safe.
class ParameterSet {
 public:
  ParameterSet() = default;
  /// All on `device`. The total is rounded up to a multiple of `multiple` elements. With `exact`
  /// nothing is paired.
  ParameterSet(std::span<const ParameterSpec> specs, bool exact, std::int64_t multiple,
               at::Device device);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  const at::Tensor& values() const { return values_; }
  /// Undefined before allocate_gradients().
  const at::Tensor& gradients() const { return gradients_; }

  /// Gives every parameter a gradient, of zeros; those that are there stay.
  void allocate_gradients();
  /// Pairs take the values; after values() changed.
  void refresh();
  void zero_gradients();  ///< of allocated gradients

 private:
  void place(Parameter& parameter, const ParameterSpec& spec) const;

  std::vector<Parameter> parameters_;
  bool exact_ = true;
  at::Tensor values_, gradients_;
};

}  // namespace expo
