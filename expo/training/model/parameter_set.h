#pragma once

#include <ATen/ATen.h>

#include <span>
#include <string>
#include <vector>

namespace expo {

/// The description of one tensor for a ParameterSet.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  bool decays = true;   ///< weight decay applies
  bool paired = false;  ///< bfloat16 products use LinearWeight's pair
};

/// One tensor that training updates.
struct Parameter {
  std::string name;
  bool decays = true;
  std::int64_t first = 0;  ///< its offset in values() and gradients()
  std::int64_t count = 0;
  at::Tensor value;     ///< float32, a view into values()
  at::Tensor gradient;  ///< float32, a view into gradients(); undefined if they are
  at::Tensor leaf;      ///< `value` as autograd sees it, which adds to `gradient` in place
  at::Tensor pair;      ///< LinearWeight's; undefined if the passes use the value
};

/// All parameters that training updates, in one contiguous piece each of float32 values and
/// gradients, so that the optimiser and the ranks can divide it anywhere. The padding between
/// tensors is zero. Gradients take memory only after allocate_gradients(). Not thread-safe.
class ParameterSet {
 public:
  ParameterSet() = default;
  /// All tensors are on `device`. The total is rounded up to a multiple of `multiple` elements.
  /// With `exact`, nothing is paired.
  ParameterSet(std::span<const ParameterSpec> specs, bool exact, std::int64_t multiple,
               at::Device device);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  const at::Tensor& values() const { return values_; }
  /// Undefined before allocate_gradients().
  const at::Tensor& gradients() const { return gradients_; }

  /// Gives every parameter a zero gradient; existing gradients stay.
  void allocate_gradients();
  /// Updates the pairs from the values; to be called after values() changed.
  void refresh();
  void zero_gradients();  ///< does nothing before allocate_gradients()

 private:
  void place(Parameter& parameter, const ParameterSpec& spec) const;

  std::vector<Parameter> parameters_;
  bool exact_ = true;
  at::Tensor values_, gradients_;
};

}  // namespace expo
