#include "expo/cli/text/inspect_json.h"

#include <fmt/format.h>

#include <cmath>

#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/diagnosis/spectrum.h"

namespace expo {
namespace {

/// JSON has no infinity.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json optional_text(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json health_json(const ValueHealth& health) {
  return {{"nan", health.nan},
          {"infinite", health.infinite},
          {"zero", health.zero},
          {"constant_rows", health.constant_rows},
          {"largest", health.largest}};
}

Json rounding_json(const DeltaProfile& delta) {
  Json json = Json::array();
  for (std::size_t i = 0; i < kDiagnosisAlphas.size(); ++i) {
    json.push_back({{"alpha", kDiagnosisAlphas[i]},
                    {"effective_alpha", effective_alpha(delta.at[i])},
                    {"lost", lost_share(delta.at[i])},
                    {"overflows", delta.at[i].nonfinite_created}});
  }
  return json;
}

Json delta_json(const DeltaProfile& delta) {
  const DeltaSums& sums = delta.sums();
  return {{"elements", sums.elements},
          {"theta_norm", std::sqrt(sums.theta_squared)},
          {"sft_norm", std::sqrt(sums.sft_squared)},
          {"delta_norm", std::sqrt(sums.delta_squared)},
          {"relative_norm", number(relative_norm(sums))},
          {"cosine", cosine(sums)},
          {"cosine_distance", cosine_distance(sums)},
          {"changed", changed_share(sums)},
          {"norm_growth", norm_growth(sums)},
          {"nonfinite", sums.nonfinite_inputs},
          {"rounding", rounding_json(delta)}};
}

Json group_json(const GroupDiagnosis& group) {
  Json json{{"group", group.label}, {"tensors", group.tensors}, {"share", group.delta_share}};
  json.update(delta_json(group.delta));
  return json;
}

Json groups_json(const std::vector<GroupDiagnosis>& groups) {
  Json json = Json::array();
  for (const GroupDiagnosis& group : groups) json.push_back(group_json(group));
  return json;
}

/// As many digits as are exact.
double rounded(double value) {
  return std::stod(fmt::format("{:.7g}", value));
}

Json spectrum_json(const std::vector<double>& spectrum) {
  Json json = Json::array();
  for (const double value : spectrum) json.push_back(rounded(value));
  return json;
}

Json spectra_json(const std::vector<KindSpectra>& spectra) {
  Json json = Json::array();
  for (const KindSpectra& each : spectra) {
    Json leading = Json::array();
    for (std::size_t i = 0; i < kLeadingValues.size(); ++i)
      leading.push_back({{"values", kLeadingValues[i]}, {"share", each.leading[i]}});
    json.push_back({{"group", each.kind},
                    {"matrices", each.matrices},
                    {"full_rank", each.full_rank},
                    {"stable_rank", each.stable_rank},
                    {"effective_rank", each.effective_rank},
                    {"leading", std::move(leading)}});
  }
  return json;
}

Json tensor_json(const TensorDiagnosis& tensor) {
  Json json{{"name", tensor.name}, {"kind", kind_label(tensor.group)}};
  json["layer"] = tensor.group.layer ? Json(*tensor.group.layer) : Json(nullptr);
  json["compared"] = tensor.compared;
  json.update(delta_json(tensor.delta));
  json["sft_values"] = health_json(tensor.sft_health);
  json["aligned_values"] = health_json(tensor.aligned_health);
  if (!tensor.spectrum.empty()) {
    json["stable_rank"] = stable_rank(tensor.spectrum);
    json["effective_rank"] = effective_rank(tensor.spectrum);
    json["spectrum"] = spectrum_json(tensor.spectrum);
  }
  return json;
}

Json concentration_json(const Diagnosis& diagnosis) {
  Json order = Json::array();
  for (const std::size_t i : diagnosis.concentration.order)
    order.push_back(diagnosis.tensors[i].name);
  return {{"half", diagnosis.concentration.half},
          {"nine_tenths", diagnosis.concentration.nine_tenths},
          {"order", std::move(order)}};
}

Json mismatches_json(const Diagnosis& diagnosis) {
  Json json = Json::array();
  for (const Mismatch& mismatch : diagnosis.mismatches)
    json.push_back({{"tensor", mismatch.tensor}, {"problem", mismatch.problem}});
  return json;
}

Json side_json(const Checkpoint& checkpoint) {
  return {{"location", checkpoint.location()}, {"format", checkpoint.format()}};
}

Json tensors_json(const Checkpoint& checkpoint, const CheckpointSummary& summary) {
  Json json = Json::array();
  for (const Tensor& tensor : checkpoint.tensors())
    json.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"dtype", tensor.stored}});
  for (const TensorHealth& checked : summary.health)
    json[checked.tensor]["values"] = health_json(checked.health);
  return json;
}

template <typename Entry>
Json counts_json(const std::vector<Entry>& entries, std::string Entry::*key) {
  Json json = Json::object();
  for (const Entry& entry : entries)
    append_member(json, entry.*key, {{"tensors", entry.tensors}, {"elements", entry.elements}});
  return json;
}

}  // namespace

Json checkpoint_json(const Checkpoint& checkpoint, const CheckpointSummary& summary, bool checked) {
  Json json = side_json(checkpoint);
  json["architecture"] = optional_text(summary.architecture);
  json["model_type"] = optional_text(summary.model_type);
  json["layers"] = summary.layers;
  json["parameters"] = summary.parameters;
  json["bytes"] = summary.file_bytes;
  json["dtypes"] = counts_json(summary.types, &StoredType::stored);
  json["kinds"] = counts_json(summary.kinds, &KindSummary::kind);
  json["tokenizer"] = optional_text(summary.tokenizer.value_or(""));
  json["chat_template"] = summary.has_chat_template;
  json["tied_embeddings"] =
      summary.tied_embeddings ? Json(*summary.tied_embeddings) : Json(nullptr);
  json["output_head"] = summary.has_head;
  json["checked"] = checked;
  json["ties"] = checked ? Json(tie_share(summary)) : Json(nullptr);
  json["warnings"] = summary.warnings;
  json["tensors"] = tensors_json(checkpoint, summary);
  return json;
}

Json pair_json(const Checkpoint& sft, const Checkpoint& aligned, const Diagnosis& diagnosis,
               const Verdict& verdict) {
  Json json{{"sft", side_json(sft)}, {"aligned", side_json(aligned)}};
  json["sampled_share"] = diagnosis.sampled_share;
  json["out_dtype"] =
      diagnosis.out_type ? Json(std::string(torch_name(*diagnosis.out_type))) : Json(nullptr);
  json["ties"] = {{"type", torch_name(diagnosis.ties.type)},
                  {"sft", diagnosis.ties.sft},
                  {"aligned", diagnosis.ties.aligned}};
  json["total"] = delta_json(diagnosis.total);
  json["by_kind"] = groups_json(diagnosis.by_kind);
  json["by_layer"] = groups_json(diagnosis.by_layer);
  json["concentration"] = concentration_json(diagnosis);
  json["mismatches"] = mismatches_json(diagnosis);
  json["warnings"] = diagnosis.warnings;
  json["verdict"] = verdict_json(verdict);
  Json tensors = Json::array();
  for (const TensorDiagnosis& tensor : diagnosis.tensors) tensors.push_back(tensor_json(tensor));
  json["tensors"] = std::move(tensors);
  if (diagnosis.has_spectra) json["spectra"] = spectra_json(spectra_by_kind(diagnosis));
  return json;
}

Json verdict_json(const Verdict& verdict) {
  const VerdictMeasures& m = verdict.measures;
  const VerdictThresholds t;
  Json json{{"relation", std::string(relation_name(verdict.relation))},
            {"headline", verdict.headline},
            {"evidence", verdict.evidence},
            {"caveats", verdict.caveats},
            {"advice", verdict.advice}};
  json["measures"] = {{"relative_norm", number(m.relative_norm)},
                      {"median_cosine", m.median_cosine},
                      {"changed", m.changed_share},
                      {"growing", m.growing_share},
                      {"compared", m.compared_share},
                      {"matrices", m.matrices},
                      {"changed_matrices", m.changed_matrices}};
  json["thresholds"] = {{"different_bases_cosine", t.different_bases_cosine},
                        {"related_cosine", t.related_cosine},
                        {"small_step", t.small_step},
                        {"large_step", t.large_step},
                        {"balanced", {t.balanced_low, t.balanced_high}},
                        {"compared", t.compared_share}};
  return json;
}

}  // namespace expo
