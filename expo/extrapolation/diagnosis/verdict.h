#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/kernel/tensor_delta.h"

namespace expo {

/// The relation that two checkpoints appear to have. Weights alone never prove any of these.
enum class Relation {
  same_model,            ///< no value differs
  preference_successor,  ///< one small step, as in preference training: what ExPO needs
  base_and_sft,          ///< a large step, and only the second model has learned to chat
  separately_trained,    ///< a large step without direction, as between two models of one base
  large_step,            ///< either base and SFT or separately trained
  different_bases,       ///< no common ancestor, or different architectures
  cannot_tell,
};

/// Returns "same_model", …, as in --json.
std::string_view relation_name(Relation relation) noexcept;

/// What the files beside the weights say.
enum class ChatTemplates { unknown, neither, only_sft, only_aligned, same, different };
/// What is known about a pair besides its weight change.
struct PairFacts {
  ChatTemplates chat_templates = ChatTemplates::unknown;
  /// The number of elements of ALIGNED's floating-point tensors without a counterpart of the same
  /// shape in SFT.
  std::uint64_t incomparable_elements = 0;
  bool quantised = false;  ///< Δ contains quantisation noise
  bool sampled = false;    ///< sums were estimated from a sample
};

/// The numbers that a verdict is based on, over matrices only (norms and biases are alike in all
/// models).
struct VerdictMeasures {
  std::uint64_t matrices = 0;
  std::uint64_t changed_matrices = 0;
  double relative_norm = 0;   ///< ‖Δ‖/‖θ_sft‖ over the matrices that changed
  double median_cosine = 1;   ///< cosine between θ and θ_sft, over all matrices
  double changed_share = 0;   ///< share of the elements of all tensors that differ
  double growing_share = 0;   ///< share of the changed matrices whose norm grew
  double compared_share = 1;  ///< share of ALIGNED's elements that were compared
};

/// Whether ExPO may work on a pair, and why.
struct Verdict {
  Relation relation = Relation::cannot_tell;
  VerdictMeasures measures;
  std::string headline;               ///< one sentence
  std::vector<std::string> evidence;  ///< one sentence each, with the thresholds
  std::vector<std::string> caveats;   ///< what the weights cannot tell
  std::string advice;                 ///< what this means for ExPO (§2.2 and §4.3 of the paper)
  /// Whether an extrapolation of this pair deserves a warning.
  bool warns() const { return relation != Relation::preference_successor; }
};

/// The thresholds, measured in docs/inspect/verdict.md.
struct VerdictThresholds {
  double different_bases_cosine = 0.3;  ///< below: no common ancestor
  double related_cosine = 0.9;          ///< between the former and this: cannot tell
  double small_step = 3e-3;             ///< a relative norm up to this: as in preference training
  double large_step = 1e-2;             ///< from this on: as in SFT; between the two: cannot tell
  double balanced_low = 0.35;           ///< a growing share from here …
  double balanced_high = 0.65;          ///< … to here: neither model lies behind the other
  double compared_share = 0.5;          ///< below: different architectures
};

/// Judges a pair against what the paper requires. It is cheap, as it reads no file. The sums may be
/// for any α; tensors without a counterpart may be left out.
Verdict judge(const std::vector<TensorDelta>& deltas, const PairFacts& facts = {},
              const VerdictThresholds& thresholds = {});
Verdict judge(const Diagnosis& diagnosis, PairFacts facts = {});

}  // namespace expo
