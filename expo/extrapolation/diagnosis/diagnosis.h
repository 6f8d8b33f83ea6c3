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

/// The strengths at which a diagnosis tells what rounding to the output type would lose. Rounding
/// can move the weights at α = 0 too: docs/rounding.md.
inline constexpr std::array<double, 4> kDiagnosisAlphas{0, 0.1, 0.3, 0.5};

/// The sums of a weight change at each of kDiagnosisAlphas. All fields but `lost`,
/// `nonfinite_created` and `applied_dot_delta` are the same at each.
struct DeltaProfile {
  std::array<DeltaSums, kDiagnosisAlphas.size()> at{};

  const DeltaSums& sums() const { return at.front(); }
  DeltaProfile& operator+=(const DeltaProfile& other);
};

/// The change of one tensor.
struct TensorDiagnosis {
  std::string name;  ///< ALIGNED's
  TensorGroup group;
  std::uint64_t elements = 0;  ///< of ALIGNED
  std::uint64_t compared = 0;  ///< leading elements that stand against SFT's; 0: no counterpart
  DeltaProfile delta;          ///< of the compared ones; scaled up from the sample in a sample
  ValueHealth sft_health;      ///< of the compared ones, as far as they were read
  ValueHealth aligned_health;
};

/// The change of the tensors of one layer, or of one kind.
struct GroupDiagnosis {
  std::string label;
  std::uint64_t tensors = 0;
  DeltaProfile delta;
  double delta_share = 0;  ///< of the whole ‖Δ‖², 0 to 1
};

/// Where Δ lies.
struct Concentration {
  std::vector<std::size_t>
      order;             ///< tensors by ‖Δ‖², the greatest first, those without any left out
  std::size_t half = 0;  ///< the smallest number of tensors that hold 50 % of ‖Δ‖²
  std::size_t nine_tenths = 0;  ///< … 90 %
};

/// The shares of the values, 0 to 1, that lie exactly halfway between two numbers of the type that
/// they are served in (serving_type()).
struct TieShares {
  DType type = DType::bf16;  ///< that most of ALIGNED's values are served in
  double sft = 0;
  double aligned = 0;
};

/// The change between two checkpoints, whole and in parts.
struct Diagnosis {
  std::vector<TensorDiagnosis> tensors;  ///< the compared ones, in ALIGNED's order
  DeltaProfile total;
  std::vector<GroupDiagnosis> by_layer;  ///< in order of the layers; tensors outside by their kind
  std::vector<GroupDiagnosis> by_kind;   ///< in order of first appearance
  Concentration concentration;
  std::vector<Mismatch> mismatches;   ///< where the two do not fit, and how it was treated
  std::vector<std::string> warnings;  ///< differing configurations, quantised inputs
  std::optional<DType> out_type;      ///< as asked for; absent: each tensor's nominal type
  double sampled_share = 1;           ///< the share of the compared elements that was read
  TieShares ties;                     ///< of the compared elements
};

/// How much is read, and for which output type losses are told.
struct DiagnosisOptions {
  /// Reads about a sixteenth of every tensor of more than 262,144 elements, and all of the smaller
  /// ones; sums are scaled up to the whole tensor. Shares and ratios are then estimates, and damage
  /// outside the sample goes unseen.
  bool sample = false;
  std::optional<DType>
      out_type;          ///< the type whose losses are told; default: each tensor's nominal
  unsigned threads = 0;  ///< 0: available_threads()
  Progress* progress = nullptr;
};

/// One pass over two checkpoints. Tensors are matched as an extrapolation with
/// MismatchPolicy::common_rows would match them; what does not fit is listed. Sums are taken block
/// by block and added up in order: they do not depend on the number of threads. A few MB of memory
/// for each thread, and about 250 bytes for each million elements. Throws Error: input (a file was
/// cut short), usage (an output type without arithmetic), interrupted.
Diagnosis diagnose(const Checkpoint& sft, const Checkpoint& aligned,
                   const DiagnosisOptions& options, const CancellationToken& cancellation);

}  // namespace expo
