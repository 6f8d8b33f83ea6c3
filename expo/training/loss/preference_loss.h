#pragma once

#include <cstdint>

namespace expo {

/// Losses of direct preference optimisation, named as in TRL.
enum class PreferenceLossKind {
  sigmoid,  ///< Rafailov et al., eq. 7; with label smoothing ε: Mitchell's conservative form
  ipo,      ///< Azar et al., eq. 17, on log-probabilities averaged over the answer's tokens
  robust,   ///< Chowdhury et al.: unbiased where a share ε of the labels is wrong
};

struct PreferenceLoss {
  PreferenceLossKind kind = PreferenceLossKind::sigmoid;
  double beta = 0.01;
  double label_smoothing = 0;  ///< in [0, ½); sigmoid and robust
};

/// The log-probabilities of both answers, summed over their tokens.
struct PairLogProbs {
  double chosen = 0;
  double rejected = 0;
  double reference_chosen = 0;
  double reference_rejected = 0;
  std::int64_t chosen_tokens = 0;
  std::int64_t rejected_tokens = 0;
};

struct PairLoss {
  double loss = 0;
  double chosen_gradient = 0;  ///< derivative of the loss with respect to `chosen`
  double rejected_gradient = 0;
  double chosen_reward = 0;  ///< β(log π − log π_ref)
  double rejected_reward = 0;
};

PairLoss preference_loss(const PreferenceLoss& loss, const PairLogProbs& pair);

/// The Bradley–Terry loss: −log σ(r_chosen − r_rejected) + c·(r_chosen + r_rejected)².
struct RankingLoss {
  double loss = 0;
  double chosen_gradient = 0;
  double rejected_gradient = 0;
};
RankingLoss ranking_loss(double chosen, double rejected, double centring);

}  // namespace expo
