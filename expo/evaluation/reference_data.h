#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The rows of the two gamed baselines: the baseline told to be verbose, and told to be concise,
/// against the baseline itself. They keep the fit of a model from explaining length by quality.
struct GamedRows {
  /// tanh of the standardised difference of lengths, and the instruction's difficulty.
  using Features = std::array<double, 2>;
  std::vector<Features> rows;
  /// In [0, 1], one for each row. Empty if only the sums are known; they suffice for a fit, but not
  /// for its cross-validation.
  std::vector<double> preferences;
  /// Σ preference · feature over the rows.
  Features sums{};
};

/// What is published about AlpacaEval's 805 instructions and its baseline, gpt4_1106_preview.
struct ReferenceData {
  std::vector<std::uint64_t> baseline_lengths;  ///< in characters, by index
  std::vector<double> difficulties;             ///< by index
  GamedRows gamed;
};

/// Reads `shipped`, the folder data/alpaca_eval of this project. With `official`, a folder with
/// AlpacaEval's df_gamed.csv, the difficulties and the gamed rows come from that file, with
/// preferences. Throws Error(input) that names the file, and the row if one is wrong.
ReferenceData read_reference_data(Filesystem& filesystem, const std::filesystem::path& shipped,
                                  const std::optional<std::filesystem::path>& official = {});

}  // namespace expo
