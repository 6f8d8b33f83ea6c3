#include "expo/training/ops/norm_function.h"

#include <torch/csrc/autograd/custom_function.h>

#include "expo/matrix/ceil_divide.h"
#include "expo/matrix/kernels.h"
#include "expo/training/ops/row_loop.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The number of rows whose gradients for the weight are summed one after the other: if the parts
/// depended on the number of threads, so would the sum.
constexpr std::int64_t kSummedRows = 32;

/// Sets `x_change` and returns the sums for the weight, one for each kSummedRows rows: [parts,
/// width].
at::Tensor go_back(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& change,
                   float added, float epsilon, const at::Tensor& x_change, bool for_weight) {
  const std::int64_t width = x.size(-1), rows = x.numel() / width;
  const std::int64_t parts = ceil_divide(rows, kSummedRows);
  const at::Tensor sums = at::zeros({for_weight ? parts : 0, width}, x.options());
  const auto *values = x.const_data_ptr<float>(), *changes = change.const_data_ptr<float>();
  const auto* factors = weight.const_data_ptr<float>();
  auto *out = x_change.mutable_data_ptr<float>(), *all = sums.mutable_data_ptr<float>();
  for_rows(parts, kSummedRows * width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first * kSummedRows; row < std::min(rows, last * kSummedRows); ++row) {
      kernels().norm_backward(values + row * width, changes + row * width, width, factors, added,
                              epsilon, out + row * width,
                              for_weight ? all + row / kSummedRows * width : nullptr);
    }
  });
  return sums;
}

struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given,
                            const at::Tensor& factor, double added, double epsilon) {
    TORCH_CHECK(factor.numel() == given.size(-1),
                "a norm's weight does not have the width of its input");
    const at::Tensor x = given.contiguous(), weight = factor.contiguous();
    context->save_for_backward({x, weight});
    context->saved_data["added"] = added;
    context->saved_data["epsilon"] = epsilon;
    const at::Tensor result = at::empty_like(x);
    const std::int64_t width = x.size(-1);
    const auto *values = x.const_data_ptr<float>(), *factors = weight.const_data_ptr<float>();
    auto* out = result.mutable_data_ptr<float>();
    for_rows(x.numel() / width, width, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        kernels().norm_f32(values + row * width, width, factors, static_cast<float>(added),
                           static_cast<float>(epsilon), out + row * width);
      }
    });
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor x_change = at::empty_like(saved[0]);
    const bool for_weight = context->needs_input_grad(1);
    const at::Tensor sums = go_back(saved[0], saved[1], gradients[0].contiguous(),
                                    static_cast<float>(context->saved_data["added"].toDouble()),
                                    static_cast<float>(context->saved_data["epsilon"].toDouble()),
                                    x_change, for_weight);
    return {x_change, for_weight ? sums.sum(0) : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double added, double epsilon) {
  const at::Tensor wide = x.to(at::kFloat), factor = weight.to(at::kFloat);
  if (can_loop(wide)) return Norm::apply(wide, factor, added, epsilon);
  const at::Tensor mean_square = at::mean(wide * wide, at::IntArrayRef{-1}, true);
  return wide * at::rsqrt(mean_square + epsilon) * (added == 0 ? factor : added + factor);
}

}  // namespace expo
