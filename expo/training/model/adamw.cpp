#include "expo/training/model/adamw.h"

#include <algorithm>

namespace expo {

AdamW::AdamW(const ParameterSet& parameters, const AdamWSpec& spec, std::int64_t first,
             std::int64_t last)
    : spec_(spec), first_(first), last_(last), options_(parameters.values().options()) {
  find_runs(parameters);
}

void AdamW::find_runs(const ParameterSet& parameters) {
  for (const Parameter& parameter : parameters.all()) {
    const std::int64_t first = std::max(parameter.first, first_);
    const std::int64_t last = std::min(parameter.first + parameter.count, last_);
    if (first >= last) continue;
    if (!runs_.empty() && runs_.back().decays == parameter.decays) {
      // The padding between two tensors is zero and stays zero.
      runs_.back().count = last - first_ - runs_.back().first;
    } else {
      runs_.push_back({first - first_, last - first, parameter.decays});
    }
  }
}

void AdamW::allocate() const {
  if (first_moment_.defined()) return;
  first_moment_ = at::zeros({last_ - first_}, options_);
  second_moment_ = at::zeros({last_ - first_}, options_);
}

const at::Tensor& AdamW::first_moment() const {
  allocate();
  return first_moment_;
}

const at::Tensor& AdamW::second_moment() const {
  allocate();
  return second_moment_;
}

void AdamW::step(double learning_rate, const at::Tensor& values, const at::Tensor& gradients) {
  allocate();
  ++steps_;
  step_runs(learning_rate, values, gradients, true);
  step_runs(learning_rate, values, gradients, false);
}

void AdamW::step_runs(double learning_rate, const at::Tensor& values, const at::Tensor& gradients,
                      bool decays) {
  std::vector<at::Tensor> moved, by, first_moments, second_moments, steps;
  for (const Run& run : runs_) {
    if (run.decays != decays) continue;
    moved.push_back(values.narrow(0, run.first, run.count));
    by.push_back(gradients.narrow(0, run.first, run.count));
    first_moments.push_back(first_moment_.narrow(0, run.first, run.count));
    second_moments.push_back(second_moment_.narrow(0, run.first, run.count));
    steps.push_back(at::scalar_tensor(static_cast<double>(steps_), options_));
  }
  if (moved.empty()) return;
  at::_fused_adamw_(moved, by, first_moments, second_moments, {}, steps, learning_rate, spec_.beta1,
                    spec_.beta2, decays ? spec_.weight_decay : 0, spec_.epsilon, false, false);
}

}  // namespace expo
