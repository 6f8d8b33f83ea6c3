#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// What rounding makes of an α where it does not keep it.
struct BentAlpha {
  double asked = 0;
  double effective = 0;
};

/// In which type all α of a search run, and how their weights are rounded: one setting for all,
/// which the checkpoint that is written shares.
struct ScoringSetting {
  DType dtype = DType::f32;                           ///< f32 or bf16, on a server also f16
  RoundingChoice rounding = RoundingChoice::nearest;  ///< nearest or stochastic
  std::uint64_t seed = 0;                             ///< of stochastic rounding
  std::string reason = {};                            ///< a sentence for a person
};

/// What the user says of it.
struct SettingRequest {
  std::string dtype = "auto";  ///< as EmbeddedSpec::dtype
  RoundingChoice rounding = RoundingChoice::automatic;
  std::uint64_t seed = 0;
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  unsigned threads = 0;
  std::uint64_t memory = 0;  ///< of the machine, in bytes
  // What else is in memory, at the same time or in turn.
  const Checkpoint* baseline = nullptr;  ///< runs in the pair's type; null: there is none
  /// Each runs in the type that `dtype` names, or in its own.
  std::vector<const Checkpoint*> rewards = {};
  bool one_at_a_time = false;  ///< the models take turns
  /// The type in which servers hold the weights of the pairs, which are not in memory here then.
  std::optional<DType> served = {};
};

/// An ALIGNED checkpoint of a search.
struct NamedCheckpoint {
  std::string name;  ///< in sentences; empty if there is only one
  const Checkpoint* checkpoint = nullptr;
};

/// Fixes the setting before the first answer, one for all pairs. Left to itself, it is the type
/// that the models run in (float32 if one of them does), rounded to nearest, if that keeps each α
/// of each pair (keeps_alpha(), judged by a sample of the weights). Otherwise it is float32 if the
/// weights of all (of the largest, where they take turns) then take at most half of the memory, and
/// stochastic rounding in the running type if not, or where servers run the pairs. Depends on
/// nothing that changes from run to run. Throws what make_plan and decide_rounding throw.
ScoringSetting choose_setting(const Checkpoint& sft, std::span<const NamedCheckpoint> aligned,
                              std::span<const double> alphas, const SettingRequest& request,
                              const CancellationToken& cancellation);

/// Whether the models have to take turns, as their weights together take more than four fifths of
/// the memory in this setting, and each alone takes less than all of them.
bool need_turns(std::span<const NamedCheckpoint> aligned, const ScoringSetting& setting,
                const SettingRequest& request);

/// A warning about the α that the user's own setting bends; empty if there is none.
std::vector<std::string> bend_warnings(std::span<const BentAlpha> bent,
                                       const ScoringSetting& setting);

/// The memory of the machine in bytes, whether it is in use or not.
std::uint64_t machine_memory();

/// {"dtype": "float32", "rounding": "nearest", "rounding_seed": 0}
Json to_json(const ScoringSetting& setting);

/// Sentences about a pair that looks like none that ExPO helps; reads a sixteenth of the weights.
std::vector<std::string> pair_warnings(Filesystem& filesystem, const Checkpoint& sft,
                                       const Checkpoint& aligned, unsigned threads,
                                       const CancellationToken& cancellation);

}  // namespace expo
