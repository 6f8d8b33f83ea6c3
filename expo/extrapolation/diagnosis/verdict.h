#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/kernel/tensor_delta.h"

namespace expo {

/// What two checkpoints look like to each other. Weights alone never prove any of these.
enum class Relation {
  same_model,            ///< no value differs
  preference_successor,  ///< one small step, as preference training makes: what ExPO asks for
  base_and_sft,          ///< a large step, and only the second one has learned to chat
  separately_trained,    ///< a large step without direction, as between two models of one base
  large_step,            ///< base + SFT or separately trained: either of the two
  different_bases,       ///< no common ancestor, or different architectures
  cannot_tell,
};

/// "same_model", …: as --json spells it.
std::string_view relation_name(Relation relation) noexcept;

/// What the files around the weights say.
enum class ChatTemplates { unknown, neither, only_sft, only_aligned, same, different };
/// What is known of a pair beside its weight change.
struct PairFacts {
  ChatTemplates chat_templates = ChatTemplates::unknown;
  /// Elements of ALIGNED's floating tensors that have no counterpart of their shape in SFT.
  std::uint64_t incomparable_elements = 0;
  bool quantised = false;  ///< Δ contains quantisation noise
  bool sampled = false;    ///< sums were estimated from a sample
};

/// The numbers that a verdict rests on, over matrices alone (norms and biases are alike in all
/// models).
struct VerdictMeasures {
  std::uint64_t matrices = 0;
  std::uint64_t changed_matrices = 0;
  double relative_norm = 0;   ///< ‖Δ‖/‖θ_sft‖ over the matrices that changed
  double median_cosine = 1;   ///< of θ and θ_sft, over all matrices
  double changed_share = 0;   ///< of the elements of all tensors
  double growing_share = 0;   ///< of the changed matrices, those whose norm grew
  double compared_share = 1;  ///< of ALIGNED's elements
};

/// Whether ExPO may work on a pair, and why.
struct Verdict {
  Relation relation = Relation::cannot_tell;
  VerdictMeasures measures;
  std::string headline;               ///< one sentence
  std::vector<std::string> evidence;  ///< a sentence each, with the thresholds
  std::vector<std::string> caveats;   ///< what the weights cannot tell
  std::string advice;                 ///< what it means for ExPO, §2.2 and §4.3 of the paper
  /// Whether an extrapolation of this pair deserves a warning.
  bool warns() const { return relation != Relation::preference_successor; }
};

/// The thresholds, measured in docs/inspect/verdict.md.
struct VerdictThresholds {
  double different_bases_cosine = 0.3;  ///< below: no common ancestor
  double related_cosine = 0.9;          ///< below, and above the former: cannot tell
  double small_step = 3e-3;             ///< a relative norm up to this: as preference training
  double large_step = 1e-2;             ///< from this on: as SFT; cannot tell between the two
  double balanced_low = 0.35;           ///< a growing share from here …
  double balanced_high = 0.65;          ///< … to here: neither model lies behind the other
  double compared_share = 0.5;          ///< below: different architectures
};

/// Judges a pair against what the paper asks of one. Cheap: it reads no file. The sums may be of
/// any α; tensors without counterpart may be left out.
Verdict judge(const std::vector<TensorDelta>& deltas, const PairFacts& facts = {},
              const VerdictThresholds& thresholds = {});
Verdict judge(const Diagnosis& diagnosis, PairFacts facts = {});

}  // namespace expo
