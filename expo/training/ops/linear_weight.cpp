#include "expo/training/ops/linear_weight.h"

#include <torch/csrc/autograd/custom_function.h>

#include "expo/matrix/kernels.h"
#include "expo/training/ops/bf16_product.h"
#include "expo/training/ops/row_loop.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A value rounded to bfloat16, and the rounded remainder.
struct Halves {
  at::Tensor hi, lo;
};

/// Splits x, [rows, columns], into both halves, whose rows may lie further apart.
void split(const at::Tensor& given, const Halves& halves) {
  if (!can_loop(given)) {
    halves.hi.copy_(given);
    halves.lo.copy_(given - halves.hi.to(at::kFloat));
    return;
  }
  const at::Tensor x = given.contiguous();
  const std::int64_t width = x.size(1);
  const std::int64_t hi_stride = halves.hi.stride(0), lo_stride = halves.lo.stride(0);
  const auto* from = x.const_data_ptr<float>();
  auto* hi = static_cast<std::uint16_t*>(halves.hi.mutable_data_ptr());
  auto* lo = static_cast<std::uint16_t*>(halves.lo.mutable_data_ptr());
  for_rows(x.size(0), width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row)
      kernels().split_bf16(from + row * width, width, hi + row * hi_stride, lo + row * lo_stride);
  });
}

Halves halves_of(const at::Tensor& x) {
  const auto options = x.options().dtype(at::kBFloat16);
  const Halves halves = {at::empty(x.sizes(), options), at::empty(x.sizes(), options)};
  split(x, halves);
  return halves;
}

at::Tensor narrow_forward(const Halves& x, const LinearWeight& weight) {
  const at::Tensor hi = weight.rounded();
  const at::Tensor y = at::empty({x.hi.size(0), hi.size(0)}, x.hi.options().dtype(at::kFloat));
  bf16_product(x.hi, Transposed::no, hi, Transposed::yes, 0, y);
  bf16_product(x.lo, Transposed::no, hi, Transposed::yes, 1, y);
  if (weight.pair.defined()) {
    const at::Tensor lo = weight.pair.narrow(1, hi.size(1), hi.size(1));
    bf16_product(x.hi, Transposed::no, lo, Transposed::yes, 1, y);
  }
  return y;
}

/// A linear layer whose backward pass adds the weight's gradient directly to its destination, so
/// that it never becomes a tensor of its own.
struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const LinearWeight& weight) {
    if (weight.gradient.defined()) context->saved_data["gradient"] = weight.gradient;
    const at::Tensor factor = weight.rounded();
    if (factor.scalar_type() == at::kFloat) {
      context->save_for_backward({x, factor});
      return at::linear(x, factor);
    }
    const Halves halves = halves_of(x);
    context->save_for_backward({halves.hi, factor});
    return narrow_forward(halves, weight);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto target = context->saved_data.find("gradient");
    const bool trained = target != context->saved_data.end();
    const at::Tensor change = gradients[0].to(x.scalar_type()).contiguous();
    if (trained) add_product_of_transpose(change, x, target->second.toTensor());
    return {product(change, weight), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const LinearWeight& weight) {
  return Linear::apply(x, weight);
}

void split_values(const at::Tensor& values, const at::Tensor& pair) {
  const std::int64_t width = values.size(1);
  split(values, {pair.narrow(1, 0, width), pair.narrow(1, width, width)});
}

}  // namespace expo
