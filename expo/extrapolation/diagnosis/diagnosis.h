#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/value_health.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/tensor_groups.h"

namespace expo {

/// The values of α for which a diagnosis reports what rounding to the output type would lose.
/// Rounding can move the weights at α = 0 too: docs/rounding.md.
inline constexpr std::array<double, 4> kDiagnosisAlphas{0, 0.1, 0.3, 0.5};

/// The sums of a weight change at each of kDiagnosisAlphas. Only the fields `lost`,
/// `nonfinite_created` and `applied_dot_delta` depend on α.
struct DeltaProfile {
  std::array<DeltaSums, kDiagnosisAlphas.size()> at{};

  const DeltaSums& sums() const { return at.front(); }
  DeltaProfile& operator+=(const DeltaProfile& other);
};

/// The change of one tensor.
struct TensorDiagnosis {
  std::string name;  ///< ALIGNED's name
  TensorGroup group;
  std::uint64_t elements = 0;  ///< ALIGNED's elements
  std::uint64_t compared = 0;  ///< leading elements with a counterpart in SFT; 0: none
  DeltaProfile delta;      ///< sums of the compared elements; scaled up if only a sample was read
  ValueHealth sft_health;  ///< health of the compared elements that were read
  ValueHealth aligned_health;
  /// The singular values of Δ, the largest first; empty unless add_spectra() found them.
  std::vector<double> spectrum = {};
};

/// The change of all tensors of one layer or of one kind.
struct GroupDiagnosis {
  std::string label;
  std::uint64_t tensors = 0;
  DeltaProfile delta;
  double delta_share = 0;  ///< its share of the whole ‖Δ‖², 0 to 1
};

/// How Δ is distributed over the tensors.
struct Concentration {
  std::vector<std::size_t> order;  ///< tensors by descending ‖Δ‖²; those with Δ = 0 are left out
  std::size_t half = 0;            ///< the smallest number of tensors that hold 50 % of ‖Δ‖²
  std::size_t nine_tenths = 0;  ///< the same for 90 % of ‖Δ‖²
};

/// The shares of the values, 0 to 1, that lie exactly halfway between two numbers of the type that
/// they are served in (serving_type()).
struct TieShares {
  DType type = DType::bf16;  ///< the type that most of ALIGNED's values are served in
  double sft = 0;
  double aligned = 0;
};

/// The change between two checkpoints, whole and in parts.
struct Diagnosis {
  std::vector<TensorDiagnosis> tensors;  ///< the compared ones, in ALIGNED's order
  DeltaProfile total;
  std::vector<GroupDiagnosis> by_layer;  ///< in layer order; tensors outside the layers by kind
  std::vector<GroupDiagnosis> by_kind;   ///< in order of first appearance
  Concentration concentration;
  std::vector<Mismatch> mismatches;   ///< where the two do not fit, and how that was treated
  std::vector<std::string> warnings;  ///< differing configurations, quantised inputs
  std::optional<DType> out_type;      ///< as asked for; std::nullopt: each tensor's nominal type
  double sampled_share = 1;           ///< the share of the compared elements that was read
  TieShares ties;                     ///< the shares among the compared elements
  bool has_spectra = false;           ///< whether add_spectra() has looked at the matrices
};

/// How much is read, and for which output type losses are reported.
struct DiagnosisOptions {
  /// Reads about a sixteenth of every tensor of more than 262,144 elements, and all of the smaller
  /// ones; sums are scaled up to the whole tensor. Shares and ratios are then estimates, and damage
  /// outside the sample is not seen.
  bool sample = false;
  std::optional<DType>
      out_type;          ///< the type whose losses are reported; default: each tensor's nominal
  unsigned threads = 0;  ///< 0: available_threads()
  Progress* progress = nullptr;
};

/// Compares two checkpoints in one pass. Tensors are matched as in an extrapolation with
/// MismatchPolicy::common_rows; mismatches are listed. Sums are computed block by block and added
/// up in order, so they do not depend on the number of threads. Uses a few MB of memory per thread,
/// and about 250 bytes per million elements. Throws Error: input (a file was cut short), usage (an
/// output type without arithmetic), interrupted.
Diagnosis diagnose(const Checkpoint& sft, const Checkpoint& aligned,
                   const DiagnosisOptions& options, const CancellationToken& cancellation);

}  // namespace expo
