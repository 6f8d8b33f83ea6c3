#pragma once

#include <ATen/ATen.h>

#include "expo/training/model/packed_rows.h"
#include "expo/training/ops/linear_weight.h"

namespace expo {

/// The head over the vocabulary. It computes log-probabilities in chunks of rows, so that the
/// logits of a whole batch never exist; the backward pass computes each chunk's logits again. The
/// log-probabilities are computed from logits as exact as those of linear(): the logits of a single
/// bfloat16 product are off by up to 0.06, which over an answer's tokens hides what a step changes.
/// Their gradient may be computed from the less exact ones. All tensors, including those of the
/// targets, are on one device.
struct VocabularyHead {
  LinearWeight weight;  ///< [vocabulary, hidden]
  double softcap = 0;   ///< Gemma 2: c·tanh(x/c); 0: none

  /// Returns float32 [targets]; `hidden` is float32 [tokens, hidden], normalised.
  at::Tensor log_probs(const at::Tensor& hidden, const Targets& targets) const;

  /// Takes the derivatives of the loss with respect to the log-probabilities (float32 [targets]),
  /// adds to the weight's gradient, and returns the derivatives with respect to `hidden`.
  at::Tensor backward(const at::Tensor& hidden, const Targets& targets,
                      const at::Tensor& log_prob_gradients) const;

 private:
  at::Tensor capped(at::Tensor logits) const;
  std::int64_t chunk() const;
};

}  // namespace expo
