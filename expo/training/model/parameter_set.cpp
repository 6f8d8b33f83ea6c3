#include "expo/training/model/parameter_set.h"

#include <ATen/core/grad_mode.h>

#include "expo/matrix/ceil_divide.h"
#include "expo/training/ops/linear_weight.h"

namespace expo {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line of float32

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

}  // namespace

ParameterSet::ParameterSet(std::span<const ParameterSpec> specs, bool exact, std::int64_t multiple,
                           at::Device device)
    : exact_(exact) {
  std::int64_t total = 0;
  for (const ParameterSpec& spec : specs) {
    const std::int64_t count = elements(spec.shape);
    parameters_.push_back({spec.name, spec.decays, total, count, {}, {}, {}, {}});
    total += round_up(count, kAlignment);
  }
  total = round_up(total, multiple);
  values_ = at::zeros({total}, at::TensorOptions(device).dtype(at::kFloat));
  for (std::size_t i = 0; i < specs.size(); ++i) place(parameters_[i], specs[i]);
}

void ParameterSet::place(Parameter& parameter, const ParameterSpec& spec) const {
  parameter.value = values_.narrow(0, parameter.first, parameter.count).view(spec.shape);
  parameter.leaf = parameter.value.detach();
  parameter.leaf.set_requires_grad(true);
  if (exact_ || !spec.paired) return;
  parameter.pair =
      at::zeros({spec.shape[0], 2 * spec.shape[1]}, values_.options().dtype(at::kBFloat16));
}

void ParameterSet::allocate_gradients() {
  if (gradients_.defined()) return;
  gradients_ = at::zeros_like(values_);
  for (Parameter& parameter : parameters_) {
    parameter.gradient =
        gradients_.narrow(0, parameter.first, parameter.count).view(parameter.value.sizes());
    parameter.leaf.mutable_grad() = parameter.gradient;
  }
}

void ParameterSet::refresh() {
  const at::NoGradGuard no_gradients;
  for (Parameter& parameter : parameters_) {
    if (parameter.pair.defined()) split_values(parameter.value, parameter.pair);
  }
}

void ParameterSet::zero_gradients() {
  gradients_.zero_();
}

}  // namespace expo
