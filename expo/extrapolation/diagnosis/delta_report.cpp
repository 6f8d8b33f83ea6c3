#include "expo/extrapolation/diagnosis/delta_report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "expo/extrapolation/plan/tensor_groups.h"

namespace expo {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

DeltaSummary summarise(const DeltaSums& sums) {
  DeltaSummary summary;
  summary.elements = sums.elements;
  summary.relative_norm =
      sums.theta_squared > 0 ? std::sqrt(sums.delta_squared / sums.theta_squared) : 0;
  summary.changed = share(sums.changed, sums.elements);
  summary.lost = share(sums.lost, sums.changed);
  if (sums.delta_squared > 0) summary.effective_alpha = sums.applied_dot_delta / sums.delta_squared;
  summary.nonfinite_inputs = sums.nonfinite_inputs;
  summary.nonfinite_created = sums.nonfinite_created;
  return summary;
}

Json to_json(const DeltaSummary& summary) {
  Json json = Json::object();
  json["relative_norm"] = summary.relative_norm;
  json["changed"] = summary.changed;
  json["effective_alpha"] =
      summary.effective_alpha ? Json(*summary.effective_alpha) : Json(nullptr);
  json["lost"] = summary.lost;
  json["elements"] = summary.elements;
  if (summary.nonfinite_inputs > 0) json["nonfinite_inputs"] = summary.nonfinite_inputs;
  if (summary.nonfinite_created > 0) json["nonfinite_created"] = summary.nonfinite_created;
  return json;
}

std::vector<GroupSummary> summarise_by_kind(const std::vector<TensorDelta>& tensors) {
  std::vector<std::pair<std::string, DeltaSums>> groups;
  std::map<std::string, std::size_t> places;
  for (const TensorDelta& tensor : tensors) {
    const auto [place, fresh] =
        places.try_emplace(kind_label(group_of(tensor.name)), groups.size());
    if (fresh) groups.emplace_back(place->first, DeltaSums{});
    groups[place->second].second += tensor.sums;
  }
  std::vector<GroupSummary> result;
  for (const auto& [kind, sums] : groups) result.push_back({kind, summarise(sums)});
  return result;
}

DeltaSums total(const std::vector<TensorDelta>& tensors) {
  DeltaSums sums;
  for (const TensorDelta& tensor : tensors) sums += tensor.sums;
  return sums;
}

double asked_alpha(const std::vector<TensorDelta>& tensors) {
  double weighted = 0;
  double weight = 0;
  for (const TensorDelta& tensor : tensors) {
    weighted += tensor.alpha * tensor.sums.delta_squared;
    weight += tensor.sums.delta_squared;
  }
  if (weight > 0) return weighted / weight;
  return tensors.empty() ? 0 : tensors.front().alpha;
}

bool keeps_alpha(double asked, double effective) noexcept {
  return std::abs(effective - asked) <= std::max(0.05 * std::abs(asked), 0.02);
}

}  // namespace expo
