#include "expo/training/model/token_log_probs.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "expo/training/ops/bf16_product.h"

namespace expo {
namespace {

constexpr std::int64_t kChunkBytes = 64 << 20;  // bytes of float32 logits per chunk

}  // namespace

std::int64_t VocabularyHead::chunk() const {
  return std::clamp<std::int64_t>(kChunkBytes / (4 * weight.value.size(0)), 16, 4096);
}

at::Tensor VocabularyHead::capped(at::Tensor logits) const {
  if (softcap > 0) logits.div_(softcap).tanh_().mul_(softcap);
  return logits;
}

at::Tensor VocabularyHead::log_probs(const at::Tensor& hidden, const Targets& targets) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor result = at::empty({targets.size()}, hidden.options());
  for (std::int64_t first = 0; first < targets.size(); first += chunk()) {
    const std::int64_t count = std::min(chunk(), targets.size() - first);
    const at::Tensor rows = hidden.index_select(0, targets.rows.narrow(0, first, count));
    const at::Tensor scores = capped(linear(rows, weight));
    const at::Tensor chosen = scores.gather(1, targets.ids.narrow(0, first, count).unsqueeze(1));
    result.narrow(0, first, count).copy_(chosen.squeeze(1) - scores.logsumexp(1));
  }
  return result;
}

at::Tensor VocabularyHead::backward(const at::Tensor& hidden, const Targets& targets,
                                    const at::Tensor& log_prob_gradients) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor factor = weight.rounded();
  const at::Tensor result = at::zeros_like(hidden);
  for (std::int64_t first = 0; first < targets.size(); first += chunk()) {
    const std::int64_t count = std::min(chunk(), targets.size() - first);
    const at::Tensor places = targets.rows.narrow(0, first, count);
    const at::Tensor rows = hidden.index_select(0, places).to(factor.scalar_type());
    const at::Tensor scores = capped(product_with_transpose(rows, factor));
    const at::Tensor gradients = log_prob_gradients.narrow(0, first, count).unsqueeze(1);
    // d log p(target) / d logits = onehot(target) − softmax
    at::Tensor change = at::softmax(scores, 1).mul_(-gradients);
    change.scatter_add_(1, targets.ids.narrow(0, first, count).unsqueeze(1), gradients);
    if (softcap > 0) change.mul_(1 - (scores / softcap).square());
    const at::Tensor narrow = change.to(factor.scalar_type());
    result.index_add_(0, places, product(narrow, factor));
    if (weight.gradient.defined()) add_product_of_transpose(narrow, rows, weight.gradient);
  }
  return result;
}

}  // namespace expo
