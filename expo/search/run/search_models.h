#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/engine/engine.h"
#include "expo/engine/engine_spec.h"
#include "expo/search/live/engine_turns.h"
#include "expo/search/live/live_candidates.h"
#include "expo/search/run/rounding_effects.h"
#include "expo/search/run/scoring_setting.h"

namespace expo {

/// A policy whose answers come from servers.
struct ServedPolicy {
  /// Opens it; `spec` says how it would run here.
  EngineTurns::Opener open;
  /// The type in which the servers hold its weights; std::nullopt: α is no matter of weights there,
  /// but the scale of an adapter, which rounds nothing.
  std::optional<DType> type;
};

/// The models of a search, as the user names them.
struct SearchModels {
  std::string sft;
  std::vector<std::string> aligned;       ///< trained from it; they compete
  std::string baseline;                   ///< to compare with; empty: the first ALIGNED checkpoint
  std::vector<std::string> rewards = {};  ///< in memory, too, each as often as it judges
  bool one_at_a_time = false;             ///< they take turns in memory, also where all fit
  /// Runs α of the ALIGNED checkpoints, and the baseline, instead of us.
  std::optional<ServedPolicy> policy = {};
};

/// Throws Error(usage) if a model stands twice among the ALIGNED checkpoints, or is SFT itself, as
/// far as names and places on the disk show it.
void check_distinct(Filesystem& filesystem, const SearchModels& models);

/// Which of the ALIGNED checkpoints the baseline is, in the same way; std::nullopt if it is none of
/// them or not named.
std::optional<std::size_t> aligned_baseline(Filesystem& filesystem, const SearchModels& models);

/// Whether a baseline is named that is none of the ALIGNED checkpoints.
bool has_rival(Filesystem& filesystem, const SearchModels& models);

/// Short names that tell models apart: what is left of "runs/all/final" and "runs/fifth/final" when
/// the folders that all have in common are left out at either end, here "all" and "fifth"; or the
/// names themselves if nothing would be left of one.
std::vector<std::string> short_names(std::span<const std::string> names);

/// The models, opened; weights are read when they are first needed.
struct OpenedModels {
  ScoringSetting setting;                        ///< of all α of all pairs
  EmbeddedSpec spec;                             ///< of the first policy
  std::vector<std::unique_ptr<Engine>> aligned;  ///< that can move to any α
  std::vector<std::string> labels;               ///< of each, empty if it is the only one
  std::unique_ptr<Engine> rival;                 ///< the baseline, if it is no ALIGNED checkpoint
  std::optional<std::size_t> baseline;           ///< its number if it is one, but not the first
  std::vector<std::filesystem::path> inputs;     ///< files that are read
  /// About pairs that look like none ExPO helps, and α that the user's own rounding bends.
  std::vector<std::string> warnings;
  /// What the setting makes of an α of a checkpoint, and whether it keeps it; both keep the files'
  /// headers open.
  std::function<RoundingEffect(double alpha, std::size_t aligned)> effect;
  std::function<bool(double alpha, std::size_t aligned)> keeps;

  std::vector<Policy> policies() const;
  std::vector<Engine*> engines() const;  ///< all of them
};

/// Diagnoses each pair, fixes one type and rounding for all α of all of them, and opens an engine
/// for each ALIGNED checkpoint and for the baseline; engines that are opened from there on take
/// turns where need_turns() or the user says so, and where several have one policy's servers.
/// There, a baseline is what lies at α = 0 on the line from SFT through it, or from the first
/// ALIGNED checkpoint through it if it is SFT. `spec` says how they run. Throws what
/// check_distinct(), open_checkpoint() and choose_setting() throw, and what make_plan() throws if
/// servers cannot run the baseline.
OpenedModels open_models(Filesystem& filesystem, const Environment& environment,
                         const SearchModels& models, const EmbeddedSpec& spec,
                         std::span<const double> alphas, EngineTurns& engines,
                         const CancellationToken& cancellation);

}  // namespace expo
