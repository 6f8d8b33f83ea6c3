#include "expo/training/linear_weight.h"

#include <torch/csrc/autograd/custom_function.h>

#include "expo/training/bf16_product.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_narrow(const LinearWeight& weight) {
  return weight.pair.defined() || weight.value.scalar_type() == at::kBFloat16;
}

/// The weight rounded to bfloat16.
at::Tensor rounded(const LinearWeight& weight) {
  return weight.pair.defined() ? weight.pair.narrow(1, 0, weight.value.size(1)) : weight.value;
}

at::Tensor narrow_forward(const at::Tensor& x, const at::Tensor& x_hi, const LinearWeight& weight) {
  const at::Tensor hi = rounded(weight);
  const at::Tensor x_lo = (x - x_hi).to(at::kBFloat16);
  const at::Tensor y = at::empty({x.size(0), hi.size(0)}, x.options());
  bf16_product(x_hi, Transposed::no, hi, Transposed::yes, 0, y);
  bf16_product(x_lo, Transposed::no, hi, Transposed::yes, 1, y);
  if (weight.pair.defined()) {
    const at::Tensor lo = weight.pair.narrow(1, hi.size(1), hi.size(1));
    bf16_product(x_hi, Transposed::no, lo, Transposed::yes, 1, y);
  }
  return y;
}

/// The gradient of the weight goes where it belongs at once, and never is a tensor of its own.
struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const LinearWeight& weight) {
    const bool narrow = is_narrow(weight);
    const at::Tensor kept = narrow ? x.to(at::kBFloat16) : x;
    context->save_for_backward({kept, narrow ? rounded(weight) : weight.value});
    if (weight.gradient.defined()) context->saved_data["gradient"] = weight.gradient;
    return narrow ? narrow_forward(x, kept, weight) : at::linear(x, weight.value);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto target = context->saved_data.find("gradient");
    const bool trained = target != context->saved_data.end();
    if (x.scalar_type() == at::kFloat) {
      if (trained) target->second.toTensor().addmm_(gradients[0].t(), x);
      return {at::mm(gradients[0], weight), at::Tensor()};
    }
    const at::Tensor change = gradients[0].to(at::kBFloat16).contiguous();
    if (trained) {
      bf16_product(change, Transposed::yes, x, Transposed::no, 1, target->second.toTensor());
    }
    const at::Tensor result = at::empty(x.sizes(), x.options().dtype(at::kFloat));
    bf16_product(change, Transposed::no, weight, Transposed::no, 0, result);
    return {result, at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const LinearWeight& weight) {
  return Linear::apply(x, weight);
}

void split_values(const at::Tensor& values, const at::Tensor& pair) {
  const std::int64_t width = values.size(1);
  const at::Tensor hi = pair.narrow(1, 0, width);
  hi.copy_(values);
  pair.narrow(1, width, width).copy_(values - hi.to(at::kFloat));
}

}  // namespace expo
