#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/training/model/adamw.h"
#include "expo/training/ranks/group.h"

namespace expo {

/// What a run has to be the same in to be gone on with, and how far it has come. The order of the
/// data, the schedule and what is drawn follow from the step and the configuration, since random
/// numbers are numbered.
struct TrainingState {
  std::int64_t step = 0;  ///< steps that were taken
  Json setting;           ///< what decides the bytes: configuration, data, ranks, threads
};

/// The file of a checkpoint that holds the rest of the state.
inline constexpr const char* kStateFile = "trainer_state.json";

/// Each rank writes its share of values and moments into the folder of a checkpoint that is being
/// written; the first writes trainer_state.json too.
void write_state(Filesystem& filesystem, const std::filesystem::path& folder,
                 const TrainingState& state, const at::Tensor& values, const AdamW& optimiser,
                 const RankGroup& ranks);

/// The other way round. Throws Error(usage) where the run's setting is another one, naming what
/// differs; Error(input) where the files are not whole.
TrainingState read_state(Filesystem& filesystem, const std::filesystem::path& folder,
                         const Json& setting, const at::Tensor& values, AdamW& optimiser,
                         const RankGroup& ranks);

}  // namespace expo
