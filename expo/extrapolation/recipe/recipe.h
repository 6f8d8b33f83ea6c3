#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// What a YAML recipe asks for; absent where it is silent. Options on the command line win over it.
///
/// Our own schema (every key is optional, and only one of `alpha` and `gamma` may be given; unknown
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
///     rounding: nearest      # or stochastic
///     seed: 0
///     max_shard_size: 5GB
///     on_mismatch: refuse    # or aligned, common-rows
///
/// A recipe with a `merge_method` is mergekit's, and is taken where it amounts to an extrapolation:
/// mergekit_recipe.h.
struct Recipe {
  /// How far to extrapolate: the same everywhere, or more in some layers than in others.
  struct Alpha {
    std::vector<double> points;  ///< one number, or the points of a gradient over the depth
    /// α of the tensors without a layer number; nothing: those before the layers take the first
    /// point, those after them the last.
    std::optional<double> outside_layers;
  };
  /// Another α for the tensors whose name the regular expression matches.
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
  std::optional<std::string> out_dtype;  ///< a word that dtype_from_user takes, with arithmetic
  std::optional<std::string> rounding;   ///< "nearest" or "stochastic"
  std::optional<std::uint64_t> seed;
  std::optional<std::string> max_shard_size;  ///< a word that parse_byte_size takes
  std::optional<std::string> on_mismatch;     ///< a word that parse_mismatch_policy takes
  std::vector<std::string> notes;  ///< how a mergekit recipe was understood, for the report
};

/// Parses a recipe. Error(usage) names file, line and key. YAML anchors are fine; aliases that
/// would expand beyond 1 MB, nesting beyond 64 and files beyond 1 MB are refused. Values are
/// checked here, so that what comes back can be used without a further refusal; model references
/// stay as written.
Recipe parse_recipe(const std::string& text, const std::string& where);
Recipe read_recipe(Filesystem& filesystem, const std::filesystem::path& file);

}  // namespace expo
