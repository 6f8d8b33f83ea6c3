#include "expo/training/split_linear.h"

#include <torch/csrc/autograd/custom_function.h>

namespace expo {
namespace {

struct SplitLinear : torch::autograd::Function<SplitLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& hi, const at::Tensor& pair,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, hi});
    context->saved_data["bias"] = bias.has_value();
    return at::linear(at::cat({x, x}, 1), pair, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor change = gradients[0].contiguous();
    const at::Tensor bias = context->saved_data["bias"].toBool() ? change.sum(0) : at::Tensor();
    return {at::mm(change, saved[1]), at::mm(change.t(), saved[0]), at::Tensor(), bias};
  }
};

}  // namespace

at::Tensor split_linear(const at::Tensor& x, const at::Tensor& hi, const at::Tensor& pair,
                        const std::optional<at::Tensor>& bias) {
  return SplitLinear::apply(x, hi, pair, bias);
}

void split_values(const at::Tensor& values, const at::Tensor& pair) {
  const std::int64_t width = values.size(1);
  const at::Tensor hi = pair.narrow(1, 0, width);
  hi.copy_(values);
  pair.narrow(1, width, width).copy_(values - hi.to(at::kFloat));
}

}  // namespace expo
