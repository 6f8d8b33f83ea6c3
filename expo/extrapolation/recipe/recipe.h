#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The settings of a YAML recipe; std::nullopt if it does not give one. Options on the command line
/// override them.
///
/// Our own schema (every key is optional, but only one of `alpha` and `gamma` may be given; unknown
/// keys are refused by name and line):
///
///     sft: REFERENCE
///     aligned: REFERENCE
///     output: FOLDER
///     alpha: 0.3             # or {gradient: [0.1, 0.5]}
///     gamma: 0.77            # instead of alpha: alpha = 1/gamma - 1
///     alpha_for:             # the last match wins
///       - match: REGEX
///         alpha: 0.5         # or {gradient: […]}
///     out_dtype: bfloat16
///     rounding: auto         # or nearest, stochastic
///     seed: 0
///     max_shard_size: 5GB
///     on_mismatch: refuse    # or aligned, common-rows
///
/// A recipe with a `merge_method` is mergekit's, and is accepted if it amounts to an extrapolation:
/// see mergekit_recipe.h.
struct Recipe {
  /// How far to extrapolate: the same everywhere, or more in some layers than in others.
  struct Alpha {
    std::vector<double> points;  ///< one number, or the points of a gradient over the depth
    /// α of the tensors without a layer number. std::nullopt: those before the layers use the first
    /// point, those after them the last.
    std::optional<double> outside_layers;
  };
  /// Another α for the tensors whose names match the regular expression.
  struct Rule {
    std::string match;
    Alpha alpha;
  };
  std::optional<std::string> sft;
  std::optional<std::string> aligned;
  std::optional<std::string> output;
  std::optional<Alpha> alpha;
  std::optional<double> gamma;
  std::vector<Rule> rules;
  std::optional<std::string> out_dtype;  ///< as dtype_from_user accepts; has arithmetic
  std::optional<std::string> rounding;   ///< a word that rounding_choice_from_user accepts
  std::optional<std::uint64_t> seed;
  std::optional<std::string> max_shard_size;  ///< a text that parse_byte_size accepts
  std::optional<std::string> on_mismatch;     ///< a word that parse_mismatch_policy accepts
  std::vector<std::string> notes;  ///< how a mergekit recipe was interpreted, for the report
};

/// Parses a recipe. Throws Error(usage) that names the file, the line and the key. YAML anchors are
/// supported; aliases that would expand beyond 1 MB, nesting beyond 64 levels and files beyond 1 MB
/// are refused. Values are checked here, so that the result can be used without further refusals;
/// model references stay as written.
Recipe parse_recipe(const std::string& text, const std::string& where);
Recipe read_recipe(Filesystem& filesystem, const std::filesystem::path& file);

}  // namespace expo
