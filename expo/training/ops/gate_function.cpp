#include "expo/training/ops/gate_function.h"

#include <torch/csrc/autograd/custom_function.h>

#include "expo/matrix/kernels.h"
#include "expo/model/activation.h"
#include "expo/training/ops/row_loop.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Gating : torch::autograd::Function<Gating> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given,
                            Activation activation) {
    TORCH_CHECK(given.dim() == 2 && given.size(1) % 2 == 0,
                "a gate needs a matrix with an even number of columns");
    const at::Tensor both = given.contiguous();
    context->save_for_backward({both});
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    const std::int64_t width = both.size(1) / 2;
    const at::Tensor result = at::empty({both.size(0), width}, both.options());
    const auto* x = both.const_data_ptr<float>();
    auto* out = result.mutable_data_ptr<float>();
    for_rows(both.size(0), width, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        kernels().gate_f32(gate_of(activation), x + 2 * row * width, x + (2 * row + 1) * width,
                           width, out + row * width);
      }
    });
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor both = context->get_saved_variables()[0];
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const at::Tensor change = gradients[0].contiguous(), result = at::empty_like(both);
    const std::int64_t width = both.size(1) / 2;
    const auto *x = both.const_data_ptr<float>(), *changes = change.const_data_ptr<float>();
    auto* out = result.mutable_data_ptr<float>();
    for_rows(both.size(0), width, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const std::int64_t left = 2 * row * width, right = left + width;
        kernels().gate_backward(gate_of(activation), x + left, x + right, changes + row * width,
                                width, out + left, out + right);
      }
    });
    return {result, at::Tensor()};
  }
};

}  // namespace

at::Tensor gated(const at::Tensor& both, Activation activation) {
  if (can_loop(both)) return Gating::apply(both, activation);
  const auto parts = both.chunk(2, 1);
  return activate(parts[0], activation) * parts[1];
}

}  // namespace expo
