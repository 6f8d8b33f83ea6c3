#include <fmt/format.h>

#include <algorithm>

#include "expo/cli/inspect_text.h"
#include "expo/core/text.h"
#include "expo/extrapolation/diagnosis/delta_measures.h"

namespace expo {
namespace {

constexpr std::size_t kTopTensors = 10;

std::string heading(const char* first, int width) {
  return fmt::format("\n  {:<{}} {:>14} {:>12} {:>10} {:>10} {:>9}\n", first, width, "values",
                     "‖Δ‖/‖θ_sft‖", "1 − cosine", "changed", "of ‖Δ‖²");
}

std::string row(const std::string& label, int width, const DeltaProfile& delta, double share) {
  const DeltaSums& sums = delta.sums();
  return fmt::format("  {:<{}} {:>14} {:>12.3e} {:>10.2e} {:>8.2f} % {:>7.2f} %\n",
                     on_one_line(label), width, sums.elements, relative_norm(sums),
                     cosine_distance(sums), 100 * changed_share(sums), 100 * share);
}

std::string group_table(const char* title, const std::vector<GroupDiagnosis>& groups) {
  std::string text = heading(title, 24);
  for (const GroupDiagnosis& group : groups)
    text += row(group.label, 24, group.delta, group.delta_share);
  return text;
}

double share_of_change(const Diagnosis& diagnosis, const TensorDiagnosis& tensor) {
  const double whole = diagnosis.total.sums().delta_squared;
  return whole > 0 ? tensor.delta.sums().delta_squared / whole : 0;
}

std::string tensor_table(const Diagnosis& diagnosis) {
  std::string text = heading("tensor", 56);
  for (const TensorDiagnosis& tensor : diagnosis.tensors)
    text += row(tensor.name, 56, tensor.delta, share_of_change(diagnosis, tensor));
  return text;
}

std::string concentration_lines(const Diagnosis& diagnosis) {
  const Concentration& where = diagnosis.concentration;
  if (where.order.empty()) return "";
  std::string text =
      fmt::format("\nOf {} tensors, {} hold half of ‖Δ‖² and {} nine tenths of it. The greatest:\n",
                  diagnosis.tensors.size(), where.half, where.nine_tenths);
  for (std::size_t i = 0; i < std::min(kTopTensors, where.order.size()); ++i) {
    const TensorDiagnosis& tensor = diagnosis.tensors[where.order[i]];
    text += fmt::format("  {:>6.2f} %  {}\n", 100 * share_of_change(diagnosis, tensor),
                        on_one_line(tensor.name));
  }
  return text;
}

std::string rounding_lines(const Diagnosis& diagnosis) {
  if (diagnosis.concentration.order.empty()) return "";
  std::string text = fmt::format("\nWhat rounding to {} would leave of an extrapolation:\n",
                                 diagnosis.out_type ? std::string(torch_name(*diagnosis.out_type))
                                                    : "the second model's types");
  text += fmt::format("  {:>8} {:>14} {:>20}\n", "α", "effective α", "updates lost");
  for (std::size_t i = 0; i < kDiagnosisAlphas.size(); ++i) {
    const DeltaSums& sums = diagnosis.total.at[i];
    text += fmt::format("  {:>8} {:>14.4f} {:>18.2f} %\n", kDiagnosisAlphas[i],
                        effective_alpha(sums), 100 * lost_share(sums));
  }
  return text;
}

std::string health_lines(const Diagnosis& diagnosis) {
  std::string text;
  const auto add = [&](const char* model, const std::string& tensor, const ValueHealth& health) {
    const std::string damage = describe_damage(health);
    if (!damage.empty())
      text += fmt::format("  {}: \"{}\": {}\n", model, on_one_line(tensor), damage);
  };
  for (const TensorDiagnosis& tensor : diagnosis.tensors) {
    add("SFT", tensor.name, tensor.sft_health);
    add("ALIGNED", tensor.name, tensor.aligned_health);
  }
  return text.empty() ? text : "\nValues that are odd:\n" + text;
}

std::string mismatch_lines(const Diagnosis& diagnosis) {
  std::string text;
  for (const Mismatch& mismatch : diagnosis.mismatches)
    text += fmt::format("  {}\n", on_one_line("\"" + mismatch.tensor + "\": " + mismatch.problem));
  return text.empty() ? text : "\nTensors that do not fit:\n" + text;
}

std::string verdict_lines(const Verdict& verdict) {
  std::string text = "\nVerdict: " + verdict.headline + "\n";
  for (const std::string& sentence : verdict.evidence) text += "  - " + sentence + "\n";
  for (const std::string& sentence : verdict.caveats) text += "  caveat: " + sentence + "\n";
  return text + "  " + verdict.advice + "\n";
}

}  // namespace

std::string describe_pair(const Checkpoint& sft, const Checkpoint& aligned,
                          const Diagnosis& diagnosis, const Verdict& verdict, bool list_tensors) {
  std::string text =
      fmt::format("SFT      {} ({})\nALIGNED  {} ({})\n", on_one_line(sft.location()), sft.format(),
                  on_one_line(aligned.location()), aligned.format());
  if (diagnosis.sampled_share < 1) {
    text += fmt::format("Estimated from {:.1f} % of the values (--quick).\n",
                        100 * diagnosis.sampled_share);
  }
  text += group_table("kind", diagnosis.by_kind) + group_table("layer", diagnosis.by_layer);
  if (list_tensors) text += tensor_table(diagnosis);
  const double all = diagnosis.total.sums().delta_squared > 0 ? 1 : 0;
  text += heading("", 24) + row("all", 24, diagnosis.total, all);
  return text + concentration_lines(diagnosis) + rounding_lines(diagnosis) +
         health_lines(diagnosis) + mismatch_lines(diagnosis) + verdict_lines(verdict);
}

}  // namespace expo
