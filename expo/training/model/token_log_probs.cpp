#include "expo/training/model/token_log_probs.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "expo/training/ops/bf16_product.h"

namespace expo {
namespace {

constexpr std::int64_t kChunkBytes = 64 << 20;  // of float32 logits

/// a·bᵀ, a·b, and aᵀ·b added to c: all of one type, the results in float32.

at::Tensor by_row(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) return at::linear(a, b);
  const at::Tensor result = at::empty({a.size(0), b.size(0)}, a.options().dtype(at::kFloat));
  bf16_product(a, Transposed::no, b, Transposed::yes, 0, result);
  return result;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) return at::mm(a, b);
  const at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options().dtype(at::kFloat));
  bf16_product(a, Transposed::no, b, Transposed::no, 0, result);
  return result;
}

void add_by_row(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
  if (a.scalar_type() == at::kFloat) {
    c.addmm_(a.t(), b);
  } else {
    bf16_product(a, Transposed::yes, b, Transposed::no, 1, c);
  }
}

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
    const at::Tensor scores = capped(by_row(rows, factor));
    const at::Tensor gradients = log_prob_gradients.narrow(0, first, count).unsqueeze(1);
    // d log p(target) / d logits = onehot(target) − softmax
    at::Tensor change = at::softmax(scores, 1).mul_(-gradients);
    change.scatter_add_(1, targets.ids.narrow(0, first, count).unsqueeze(1), gradients);
    if (softcap > 0) change.mul_(1 - (scores / softcap).square());
    const at::Tensor narrow = change.to(factor.scalar_type());
    result.index_add_(0, places, product(narrow, factor));
    if (weight.gradient.defined()) add_by_row(narrow, rows, weight.gradient);
  }
  return result;
}

}  // namespace expo
