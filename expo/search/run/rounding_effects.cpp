#include "expo/search/run/rounding_effects.h"

#include "expo/extrapolation/diagnosis/rounding_decision.h"

namespace expo {
namespace {

RoundingEffect effect_of(const DeltaSummary& summary, double alpha) {
  RoundingEffect effect{summary.effective_alpha};
  if (alpha != 0 && summary.changed > 0) effect.lost = summary.lost;
  return effect;
}

}  // namespace

RoundingEffects::RoundingEffects(std::shared_ptr<const Checkpoint> sft,
                                 std::vector<std::shared_ptr<const Checkpoint>> aligned,
                                 ScoringSetting setting, const SettingRequest& request,
                                 const CancellationToken& cancellation)
    : sft_(std::move(sft)),
      aligned_(std::move(aligned)),
      setting_(std::move(setting)),
      on_mismatch_(request.on_mismatch),
      threads_(request.threads),
      cancellation_(cancellation) {}

void RoundingEffects::measure(std::size_t pair, std::span<const double> alphas) {
  if (alphas.empty()) return;
  const Checkpoint& aligned = *aligned_.at(pair);
  const Plan plan = make_plan(
      *sft_, aligned, {AlphaSchedule(alphas.front()), setting_.dtype, on_mismatch_}, cancellation_);
  const auto found = sample_effects(*sft_, aligned, plan, alphas,
                                    {setting_.rounding, setting_.seed, threads_}, cancellation_);
  for (std::size_t i = 0; i < alphas.size(); ++i)
    known_[{pair, alphas[i]}] = effect_of(found[i], alphas[i]);
}

RoundingEffect RoundingEffects::of(std::size_t pair, double alpha) {
  const auto known = known_.find({pair, alpha});
  if (known != known_.end()) return known->second;
  measure(pair, {&alpha, 1});
  return known_.at({pair, alpha});
}

std::optional<BentAlpha> RoundingEffects::bent(std::size_t pair, double alpha) {
  if (setting_.rounding != RoundingChoice::nearest) return std::nullopt;
  const RoundingEffect effect = of(pair, alpha);
  if (!effect.effective_alpha || keeps_alpha(alpha, *effect.effective_alpha)) return std::nullopt;
  return BentAlpha{alpha, *effect.effective_alpha};
}

}  // namespace expo
