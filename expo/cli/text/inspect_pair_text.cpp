#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/cli/text/inspect_text.h"
#include "expo/core/text.h"
#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/diagnosis/spectrum.h"
#include "expo/extrapolation/diagnosis/ties.h"

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

/// The table of --spectrum; empty without it.
std::string spectrum_table(const Diagnosis& diagnosis) {
  if (!diagnosis.has_spectra) return "";
  const std::vector<KindSpectra> spectra = spectra_by_kind(diagnosis);
  if (spectra.empty()) return "\nThe spectrum of Δ: no matrix has changed.\n";
  std::string text = fmt::format(
      "\nThe spectrum of Δ: medians of the matrices, and the share of ‖Δ‖² in the leading singular "
      "values\n  {:<24} {:>8} {:>6} {:>12} {:>15}",
      "kind", "matrices", "values", "stable rank", "effective rank");
  for (const std::size_t count : kLeadingValues) text += fmt::format(" {:>9}", count);
  text += "\n";
  for (const KindSpectra& each : spectra) {
    text += fmt::format("  {:<24} {:>8} {:>6.0f} {:>12.1f} {:>15.1f}", on_one_line(each.kind),
                        each.matrices, each.full_rank, each.stable_rank, each.effective_rank);
    for (const double share : each.leading) text += fmt::format(" {:>7.2f} %", 100 * share);
    text += "\n";
  }
  return text;
}

std::string concentration_lines(const Diagnosis& diagnosis) {
  const Concentration& where = diagnosis.concentration;
  if (where.order.empty()) return "";
  std::string text = fmt::format(
      "\nOf {} tensors, {} hold half of ‖Δ‖² and {} hold nine tenths of it. The largest:\n",
      diagnosis.tensors.size(), where.half, where.nine_tenths);
  for (std::size_t i = 0; i < std::min(kTopTensors, where.order.size()); ++i) {
    const TensorDiagnosis& tensor = diagnosis.tensors[where.order[i]];
    text += fmt::format("  {:>6.2f} %  {}\n", 100 * share_of_change(diagnosis, tensor),
                        on_one_line(tensor.name));
  }
  return text;
}

bool stored_wider(const Checkpoint& checkpoint, DType type) {
  std::map<DType, std::uint64_t> amounts;
  for (const Tensor& tensor : checkpoint.tensors())
    if (is_floating(tensor.nominal)) amounts[tensor.nominal] += tensor.elements();
  return bit_width(main_dtype(amounts)) > bit_width(type);
}

std::string rounding_lines(const Diagnosis& diagnosis) {
  if (diagnosis.concentration.order.empty()) return "";
  std::string text = fmt::format("\nWhat rounding to {} would leave of an extrapolation:\n",
                                 diagnosis.out_type ? std::string(torch_name(*diagnosis.out_type))
                                                    : "the second model's types");
  text += fmt::format("  {:>8} {:>14} {:>20}\n", "α", "effective α", "updates lost");
  for (std::size_t i = 0; i < kDiagnosisAlphas.size(); ++i) {
    const DeltaSums& sums = diagnosis.total.at[i];
    const std::string lost =
        kDiagnosisAlphas[i] == 0 ? "-" : fmt::format("{:.2f} %", 100 * lost_share(sums));
    text +=
        fmt::format("  {:>8} {:>14.4f} {:>20}\n", kDiagnosisAlphas[i], effective_alpha(sums), lost);
  }
  return text;
}

/// Says how wider weights fare in the type that they are served in.
std::string serving_lines(const Checkpoint& aligned, const Diagnosis& diagnosis) {
  const TieShares& ties = diagnosis.ties;
  const std::string type(torch_name(ties.type));
  std::string text;
  if (!diagnosis.out_type && stored_wider(aligned, ties.type)) {
    text += fmt::format(
        "If it is served in {0}, the second model is rounded to {0}: see --out-dtype {0}.\n", type);
  }
  if (ties.sft >= kManyTies || ties.aligned >= kManyTies) {
    text += fmt::format(
        "Values exactly halfway between two numbers of {}: {:.2f} % of SFT's, {:.2f} % of "
        "ALIGNED's.\n",
        type, 100 * ties.sft, 100 * ties.aligned);
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
  return text + spectrum_table(diagnosis) + concentration_lines(diagnosis) +
         rounding_lines(diagnosis) + serving_lines(aligned, diagnosis) + health_lines(diagnosis) +
         mismatch_lines(diagnosis) + verdict_lines(verdict);
}

}  // namespace expo
