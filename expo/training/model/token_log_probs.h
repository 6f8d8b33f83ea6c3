#pragma once

#include <ATen/ATen.h>

#include "expo/training/model/packed_rows.h"
#include "expo/training/ops/linear_weight.h"

namespace expo {

/// The head over the vocabulary and the log-probabilities that it gives, in chunks of rows: the
/// logits of a whole batch never exist, and the backward pass computes each chunk's again. The
/// log-probabilities come of logits as exact as linear() has them: those of one bfloat16 product
/// are apart by up to 0.06, which over an answer's tokens drowns what a step changes. Their
/// gradient may come of the narrower ones. All tensors, those of the targets too, are on one
/// device.
struct VocabularyHead {
  LinearWeight weight;  ///< [vocabulary, hidden]
  double softcap = 0;   ///< Gemma 2: c·tanh(x/c); 0: none

  /// float32 [targets]; `hidden` is float32 [tokens, hidden], normalised.
  at::Tensor log_probs(const at::Tensor& hidden, const Targets& targets) const;

  /// Given what the loss changes by with each log-probability (float32 [targets]): adds to
  /// the weight's gradient, and returns the same for `hidden`.
  at::Tensor backward(const at::Tensor& hidden, const Targets& targets,
                      const at::Tensor& log_prob_gradients) const;

 private:
  at::Tensor capped(at::Tensor logits) const;
  std::int64_t chunk() const;
};

}  // namespace expo
