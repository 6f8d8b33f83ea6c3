#include "expo/training/parameter_set.h"

#include <cmath>

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
    parameters_.push_back({spec.name, spec.decays, total, count, {}, {}, {}});
    total += round_up(count, kAlignment);
  }
  total = round_up(total, multiple);
  values_ = at::zeros({total}, at::kFloat);
  gradients_ = at::zeros({total}, at::kFloat);
  if (compute != at::kFloat) narrow_ = at::zeros({total}, compute);
  for (std::size_t i = 0; i < specs.size(); ++i) make_leaf(parameters_[i], specs[i]);
}

void ParameterSet::make_leaf(Parameter& parameter, const ParameterSpec& spec) {
  const auto view = [&](const at::Tensor& flat) {
    return flat.narrow(0, parameter.first, parameter.count).view(spec.shape);
  };
  parameter.value = view(values_);
  parameter.gradient = view(gradients_);
  const bool same_type = !narrow_.defined() || spec.exact;
  parameter.compute = view(same_type ? values_ : narrow_).detach();
  parameter.compute.set_requires_grad(true);
  // Autograd then adds to the gradients in place.
  if (same_type) parameter.compute.mutable_grad() = parameter.gradient;
}

void ParameterSet::refresh() {
  if (narrow_.defined()) narrow_.copy_(values_);
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

double ParameterSet::gradient_norm() const {
  double squares = 0;
  for (const Parameter& parameter : parameters_) {
    const double norm = at::linalg_vector_norm(parameter.gradient).item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

}  // namespace expo
