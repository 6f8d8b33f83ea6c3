#include "expo/extrapolation/diagnosis/delta_warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "expo/extrapolation/diagnosis/delta_report.h"

namespace expo {
namespace {

std::string remedy(Rounding rounding, bool quantised, std::string_view exact) {
  if (quantised) return "--out-dtype f32 or bf16 keeps more of it than Q8_0 blocks do";
  if (rounding == Rounding::like_original) return "without --like-original, α is kept";
  if (rounding == Rounding::stochastic) {
    return fmt::format(
        "such a small change is lost in the noise of stochastic rounding; {} keeps α exactly",
        exact);
  }
  return fmt::format("--rounding stochastic keeps α on average, and {} exactly", exact);
}

/// Returns an empty text if rounding keeps α.
std::string alpha_warning(const DeltaSummary& summary, double asked, Rounding rounding,
                          bool quantised, std::string_view exact) {
  if (!summary.effective_alpha || keeps_alpha(asked, *summary.effective_alpha)) return {};
  std::string text =
      fmt::format("rounding changes the result: α is {:.4g}, but its effect is that of {:.4g}",
                  asked, *summary.effective_alpha);
  if (asked != 0) text += fmt::format(", and {:.0f} % of the updates are lost", 100 * summary.lost);
  return text + "; " + remedy(rounding, quantised, exact);
}

}  // namespace

std::vector<std::string> quantisation_warnings(const Checkpoint& checkpoint) {
  if (checkpoint.quantised_formats().empty()) return {};
  return {
      fmt::format("{} is quantised ({}): Δ then holds the quantisation noise of both models, "
                  "which α multiplies; use the checkpoints before quantisation if you have them",
                  checkpoint.location(), fmt::join(checkpoint.quantised_formats(), ", "))};
}

std::vector<std::string> delta_warnings(const std::vector<TensorDelta>& deltas, Rounding rounding,
                                        bool quantised, std::string_view exact) {
  std::vector<std::string> warnings;
  const DeltaSummary summary = summarise(total(deltas));
  if (summary.changed == 0 && summary.elements > 0) {
    warnings.push_back(
        "the two checkpoints hold the same weights: the output is ALIGNED itself for any α");
  }
  std::string bent = alpha_warning(summary, asked_alpha(deltas), rounding, quantised, exact);
  if (!bent.empty()) warnings.push_back(std::move(bent));
  if (summary.nonfinite_inputs > 0) {
    warnings.push_back(
        fmt::format("{} weights of the inputs are NaN or infinite; {}", summary.nonfinite_inputs,
                    rounding == Rounding::like_original
                        ? "--like-original computes with them, as the authors' script does"
                        : "ALIGNED's values were kept in their places"));
  }
  if (summary.nonfinite_created > 0) {
    warnings.push_back(fmt::format("{} finite weights became infinite in the output type",
                                   summary.nonfinite_created));
  }
  return warnings;
}

}  // namespace expo
