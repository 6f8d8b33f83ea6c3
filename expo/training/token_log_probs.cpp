#include "expo/training/token_log_probs.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace expo {
namespace {

constexpr std::int64_t kChunkBytes = 64 << 20;  // of float32 logits

}  // namespace

std::int64_t VocabularyHead::chunk() const {
  return std::clamp<std::int64_t>(kChunkBytes / (4 * weight.size(0)), 16, 4096);
}

at::Tensor VocabularyHead::logits(const at::Tensor& rows, const at::Tensor& head) const {
  at::Tensor result = at::linear(rows, head).to(at::kFloat);
  if (softcap > 0) result.div_(softcap).tanh_().mul_(softcap);
  return result;
}

at::Tensor VocabularyHead::log_probs(const at::Tensor& hidden, const Targets& targets) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor result = at::empty({targets.size()}, at::kFloat);
  for (std::int64_t first = 0; first < targets.size(); first += chunk()) {
    const std::int64_t count = std::min(chunk(), targets.size() - first);
    const at::Tensor rows = hidden.index_select(0, targets.rows.narrow(0, first, count));
    const at::Tensor scores = logits(rows, exact);
    const at::Tensor chosen = scores.gather(1, targets.ids.narrow(0, first, count).unsqueeze(1));
    result.narrow(0, first, count).copy_(chosen.squeeze(1) - scores.logsumexp(1));
  }
  return result;
}

at::Tensor VocabularyHead::backward(const at::Tensor& hidden, const Targets& targets,
                                    const at::Tensor& log_prob_gradients) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor result = at::zeros_like(hidden);
  for (std::int64_t first = 0; first < targets.size(); first += chunk()) {
    const std::int64_t count = std::min(chunk(), targets.size() - first);
    const at::Tensor places = targets.rows.narrow(0, first, count);
    const at::Tensor rows = hidden.index_select(0, places).to(weight.scalar_type());
    const at::Tensor scores = logits(rows, weight);
    const at::Tensor gradients = log_prob_gradients.narrow(0, first, count).unsqueeze(1);
    // d log p(target) / d logits = onehot(target) − softmax
    at::Tensor change = at::softmax(scores, 1).mul_(-gradients);
    change.scatter_add_(1, targets.ids.narrow(0, first, count).unsqueeze(1), gradients);
    if (softcap > 0) change.mul_(1 - (scores / softcap).square());
    const at::Tensor narrow = change.to(weight.scalar_type());
    result.index_add_(0, places, at::mm(narrow, weight).to(at::kFloat));
    if (!gradient.defined()) continue;
    if (weight.scalar_type() == at::kFloat) {
      gradient.addmm_(narrow.t(), rows);
    } else {
      gradient.add_(at::mm(narrow.t(), rows));
    }
  }
  return result;
}

}  // namespace expo
