#include "expo/extrapolation/diagnosis/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/plan/tensor_groups.h"

namespace expo {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 1;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

class MeasureTaker {
 public:
  VerdictMeasures take(const std::vector<TensorDelta>& deltas, const PairFacts& facts) {
    for (const TensorDelta& delta : deltas) {
      all_ += delta.sums;
      if (delta.sums.elements > 0 && group_of(delta.name).is_matrix) add_matrix(delta.sums);
    }
    measures_.relative_norm = relative_norm(changed_);
    measures_.median_cosine = median(std::move(cosines_));
    measures_.changed_share = changed_share(all_);
    measures_.growing_share = share(growing_, static_cast<double>(measures_.changed_matrices));
    const auto compared = static_cast<double>(all_.elements);
    const auto incomparable = static_cast<double>(facts.incomparable_elements);
    if (incomparable > 0) measures_.compared_share = share(compared, compared + incomparable);
    return measures_;
  }

 private:
  void add_matrix(const DeltaSums& sums) {
    ++measures_.matrices;
    cosines_.push_back(cosine(sums));
    if (sums.delta_squared == 0) return;
    ++measures_.changed_matrices;
    changed_ += sums;
    growing_ += norm_growth(sums) > 0;
  }

  VerdictMeasures measures_;
  DeltaSums all_;
  DeltaSums changed_;
  std::vector<double> cosines_;
  double growing_ = 0;
};

Relation relation_of_large_step(const VerdictMeasures& m, const PairFacts& facts,
                                const VerdictThresholds& t) {
  if (facts.chat_templates == ChatTemplates::only_aligned) return Relation::base_and_sft;
  const bool balanced = m.growing_share >= t.balanced_low && m.growing_share <= t.balanced_high;
  return balanced ? Relation::separately_trained : Relation::large_step;
}

Relation relation_of(const VerdictMeasures& m, const PairFacts& facts, const VerdictThresholds& t) {
  if (m.compared_share < t.compared_share) return Relation::different_bases;
  if (m.matrices > 0 && m.changed_share == 0) return Relation::same_model;
  if (m.changed_matrices == 0) return Relation::cannot_tell;
  if (m.median_cosine < t.different_bases_cosine) return Relation::different_bases;
  if (m.median_cosine < t.related_cosine) return Relation::cannot_tell;
  if (m.relative_norm >= t.large_step) return relation_of_large_step(m, facts, t);
  if (facts.chat_templates == ChatTemplates::only_aligned) return Relation::base_and_sft;
  if (m.relative_norm > t.small_step || facts.chat_templates == ChatTemplates::only_sft)
    return Relation::cannot_tell;
  return Relation::preference_successor;
}

const char* headline_of(Relation relation) {
  switch (relation) {
    case Relation::same_model:
      return "This is the same model twice.";
    case Relation::preference_successor:
      return "This looks like a model and its successor by one small step of training, as an SFT "
             "model and its preference-trained successor are.";
    case Relation::base_and_sft:
      return "This looks like a base model and the SFT model trained from it.";
    case Relation::separately_trained:
      return "This looks like two models trained separately from one base.";
    case Relation::large_step:
      return "This looks like a base model and its SFT model, or like two models trained "
             "separately from one base.";
    case Relation::different_bases:
      return "These look like models of different bases.";
    case Relation::cannot_tell:
      break;
  }
  return "How these two are related cannot be told from their weights.";
}

const char* advice_of(Relation relation) {
  switch (relation) {
    case Relation::same_model:
      return "There is nothing to extrapolate: the result is the model itself for any alpha.";
    case Relation::preference_successor:
      return "This is the kind of pair that ExPO needs (paper, 2.2), provided that the step was "
             "preference training and the second model is not yet at its best.";
    case Relation::base_and_sft:
      return "Extrapolating such a pair lowered the reward in the paper (4.3): the change teaches "
             "a format, not a preference.";
    case Relation::separately_trained:
    case Relation::large_step:
      return "Extrapolating such pairs did not help in the paper (4.3): the change is not a "
             "direction of growing preference.";
    case Relation::different_bases:
      return "Extrapolating such a pair made the model collapse in the paper (4.3).";
    case Relation::cannot_tell:
      break;
  }
  return "ExPO needs an SFT model and the model that preference training made from it (paper, "
         "2.2); make sure that these are such a pair, and measure the result.";
}

void explain_norm(const VerdictMeasures& m, const VerdictThresholds& t, Verdict& verdict) {
  const char* reading = m.relative_norm <= t.small_step ? "a small step, as in preference training"
                        : m.relative_norm >= t.large_step ? "a large step, as in SFT"
                                                          : "between the two";
  verdict.evidence.push_back(fmt::format(
      "The change is {:.2g} of the weights by norm, over the {} of {} matrices that changed: {} "
      "(up to {:g} is small, {:g} or more is large).",
      m.relative_norm, m.changed_matrices, m.matrices, reading, t.small_step, t.large_step));
}

void explain_cosine(const VerdictMeasures& m, const VerdictThresholds& t, Verdict& verdict) {
  const char* reading = m.median_cosine < t.different_bases_cosine ? "no common ancestor"
                        : m.median_cosine < t.related_cosine       ? "neither close nor unrelated"
                                                                   : "a common ancestor";
  verdict.evidence.push_back(
      fmt::format("The median cosine between the two models' matrices is {:.4f}: {} (below {:g} is "
                  "unrelated, {:g} or more is related).",
                  m.median_cosine, reading, t.different_bases_cosine, t.related_cosine));
}

void explain_growth(const VerdictMeasures& m, const VerdictThresholds& t, Verdict& verdict) {
  const bool balanced = m.growing_share >= t.balanced_low && m.growing_share <= t.balanced_high;
  verdict.evidence.push_back(fmt::format(
      "{:.0f} % of the changed matrices have a larger norm in the second model: {} ({:.0f} to "
      "{:.0f} % is balanced).",
      100 * m.growing_share,
      balanced ? "neither lies behind the other, which is weak evidence for separate training"
               : "one may lie behind the other, or was trained longer or with weight decay",
      100 * t.balanced_low, 100 * t.balanced_high));
}

const char* describe(ChatTemplates templates) {
  switch (templates) {
    case ChatTemplates::neither:
      return "Neither model has a chat template.";
    case ChatTemplates::only_sft:
      return "Only the first model has a chat template: the two may be swapped.";
    case ChatTemplates::only_aligned:
      return "Only the second model has a chat template, as if the first were a base model.";
    case ChatTemplates::same:
      return "Both models have the same chat template.";
    case ChatTemplates::different:
      return "The models have different chat templates, which preference training does not "
             "cause.";
    case ChatTemplates::unknown:
      break;
  }
  return nullptr;
}

void explain(const PairFacts& facts, const VerdictThresholds& t, Verdict& verdict) {
  const VerdictMeasures& m = verdict.measures;
  verdict.evidence.push_back(fmt::format("{:.3g} % of the compared values differ{}.",
                                         100 * m.changed_share,
                                         facts.sampled ? ", judged by a sample" : ""));
  if (m.changed_matrices > 0) {
    explain_norm(m, t, verdict);
    explain_cosine(m, t, verdict);
    if (m.relative_norm >= t.large_step && m.median_cosine >= t.related_cosine)
      explain_growth(m, t, verdict);
  }
  if (facts.incomparable_elements > 0) {
    verdict.evidence.push_back(
        fmt::format("{:.3g} % of the second model's values have a counterpart of their shape in "
                    "the first (below {:.0f} % means a different architecture).",
                    100 * m.compared_share, 100 * t.compared_share));
  }
  if (const char* templates = describe(facts.chat_templates))
    verdict.evidence.emplace_back(templates);
}

void add_caveats(const PairFacts& facts, Verdict& verdict) {
  const auto say = [&](const char* text) { verdict.caveats.emplace_back(text); };
  if (verdict.relation == Relation::same_model) {
    if (facts.sampled) say("Only a sample was compared; values outside it may differ.");
    return;
  }
  if (verdict.relation != Relation::different_bases)
    say("The weights cannot tell whether the two were given in the wrong order.");
  if (verdict.relation == Relation::preference_successor)
    say("A short SFT at a low learning rate, or two preference runs from one SFT model, leave the "
        "same trace.");
  if (verdict.relation == Relation::large_step || verdict.relation == Relation::separately_trained)
    say("Preference training at a high learning rate or for very long leaves the same trace.");
  if (facts.quantised) say("A checkpoint holds quantised blocks, whose noise enlarges the change.");
}

}  // namespace

std::string_view relation_name(Relation relation) noexcept {
  switch (relation) {
    case Relation::same_model:
      return "same_model";
    case Relation::preference_successor:
      return "preference_successor";
    case Relation::base_and_sft:
      return "base_and_sft";
    case Relation::separately_trained:
      return "separately_trained";
    case Relation::large_step:
      return "large_step";
    case Relation::different_bases:
      return "different_bases";
    case Relation::cannot_tell:
      break;
  }
  return "cannot_tell";
}

Verdict judge(const std::vector<TensorDelta>& deltas, const PairFacts& facts,
              const VerdictThresholds& thresholds) {
  Verdict verdict;
  verdict.measures = MeasureTaker().take(deltas, facts);
  verdict.relation = relation_of(verdict.measures, facts, thresholds);
  verdict.headline = headline_of(verdict.relation);
  verdict.advice = advice_of(verdict.relation);
  explain(facts, thresholds, verdict);
  add_caveats(facts, verdict);
  return verdict;
}

Verdict judge(const Diagnosis& diagnosis, PairFacts facts) {
  facts.sampled = diagnosis.sampled_share < 1;
  std::vector<TensorDelta> deltas;
  for (const TensorDiagnosis& tensor : diagnosis.tensors)
    deltas.push_back({tensor.name, tensor.elements, tensor.delta.sums(), kDiagnosisAlphas.front()});
  return judge(deltas, facts);
}

}  // namespace expo
