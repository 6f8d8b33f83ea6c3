#include "expo/training/parameter_set.h"

#include <ATen/core/grad_mode.h>

#include "expo/training/split_linear.h"

namespace expo {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line of float32

std::int64_t round_up(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

}  // namespace

ParameterSet::ParameterSet(std::span<const ParameterSpec> specs, at::ScalarType compute,
                           std::int64_t multiple) {
  std::int64_t total = 0;
  for (const ParameterSpec& spec : specs) {
    const std::int64_t count = elements(spec.shape);
    parameters_.push_back({spec.name, spec.decays, total, count, {}, {}, {}, {}});
    total += round_up(count, kAlignment);
  }
  total = round_up(total, multiple);
  values_ = at::zeros({total}, at::kFloat);
  gradients_ = at::zeros({total}, at::kFloat);
  compute_ = compute;
  for (std::size_t i = 0; i < specs.size(); ++i) make_leaf(parameters_[i], specs[i]);
}

void ParameterSet::make_leaf(Parameter& parameter, const ParameterSpec& spec) const {
  const auto view = [&](const at::Tensor& flat) {
    return flat.narrow(0, parameter.first, parameter.count).view(spec.shape);
  };
  parameter.value = view(values_);
  parameter.gradient = view(gradients_);
  const bool same_type = compute_ == at::kFloat || spec.exact;
  if (same_type) {
    parameter.compute = parameter.value.detach();
  } else if (spec.split) {
    parameter.pair = at::zeros({spec.shape[0], 2 * spec.shape[1]}, compute_);
    parameter.compute = parameter.pair.narrow(1, 0, spec.shape[1]).detach();
  } else {
    parameter.compute = at::zeros(spec.shape, compute_);
  }
  parameter.compute.set_requires_grad(true);
  // Autograd then adds to the gradients in place.
  if (same_type) parameter.compute.mutable_grad() = parameter.gradient;
}

void ParameterSet::refresh() {
  if (compute_ == at::kFloat) return;
  const at::NoGradGuard no_gradients;
  for (Parameter& parameter : parameters_) {
    if (parameter.pair.defined()) {
      split_values(parameter.value, parameter.pair);
    } else if (!parameter.compute.is_alias_of(parameter.value)) {
      parameter.compute.copy_(parameter.value);
    }
  }
}

void ParameterSet::collect(std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    at::Tensor& left = parameters_[i].compute.mutable_grad();
    if (!left.defined() || left.is_alias_of(gradients_)) continue;
    parameters_[i].gradient.add_(left);
    left.reset();
  }
}

void ParameterSet::zero_gradients() {
  gradients_.zero_();
}

}  // namespace expo
