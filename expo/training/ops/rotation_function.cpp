#include "expo/training/ops/rotation_function.h"

#include <torch/csrc/autograd/custom_function.h>

#include "expo/matrix/kernels.h"
#include "expo/training/ops/row_loop.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor turn(const at::Tensor& given, const at::Tensor& cosine, const at::Tensor& sine,
                std::int64_t heads) {
  const at::Tensor x = given.contiguous(), result = at::empty_like(x);
  const std::int64_t width = x.size(1), dim = cosine.size(-1);
  TORCH_CHECK(cosine.size(0) == x.size(0) && heads * dim <= width,
              "the positions that were looked up are not those of the tokens to be rotated");
  const auto *from = x.const_data_ptr<float>(), *c = cosine.const_data_ptr<float>(),
             *s = sine.const_data_ptr<float>();
  auto* out = result.mutable_data_ptr<float>();
  for_rows(x.size(0), width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      std::copy_n(from + row * width, width, out + row * width);
      for (std::int64_t head = 0; head < heads; ++head)
        kernels().rotate(out + row * width + head * dim, c + row * dim, s + row * dim, dim / 2);
    }
  });
  return result;
}

struct Rotation : torch::autograd::Function<Rotation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine, std::int64_t heads) {
    context->save_for_backward({cosine, sine});
    context->saved_data["heads"] = heads;
    return turn(x, cosine, sine, heads);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {turn(gradients[0], saved[0], saved[1].neg(), context->saved_data["heads"].toInt()),
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rotated(const at::Tensor& x, std::int64_t heads, std::int64_t head_dim,
                   const RotaryEmbedding& rotary) {
  if (can_loop(x)) return Rotation::apply(x, rotary.cosine(), rotary.sine(), heads);
  const auto parts = x.split_with_sizes({heads * head_dim, x.size(1) - heads * head_dim}, 1);
  const at::Tensor turned = rotary.apply(parts[0].reshape({x.size(0), heads, head_dim}));
  return at::cat({turned.reshape(parts[0].sizes()), parts[1]}, 1);
}

}  // namespace expo
