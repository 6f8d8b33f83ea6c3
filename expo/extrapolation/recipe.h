#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/filesystem.h"

namespace expo {

/// What a YAML recipe asks for; absent where it is silent. Options on the command line win over it.
///
/// Our own schema (every key optional but `alpha` or `gamma`; unknown keys are refused by name and
/// line):
///   sft: REFERENCE            aligned: REFERENCE        output: FOLDER
///   alpha: 0.3 | {gradient: [0.1, 0.5]}                 gamma: 0.77
///   alpha_for: [{match: REGEX, alpha: 0.5 | {gradient: […]}}, …]
///   out_dtype: bfloat16       rounding: nearest | stochastic      seed: 0     max_shard_size: 5GB
///   on_mismatch: refuse | …
///
/// A mergekit recipe is taken where it amounts to an extrapolation, and refused, saying why, where
/// it does not:
///   merge_method: task_arithmetic   base_model = sft, one other model = aligned with weight w,
///   parameters.lambda λ
///                                   (default 1), normalize: false (mergekit's default for it): α =
///                                   λ·w − 1
///   merge_method: linear            two models with weights wa, ws; normalize: false and wa + ws =
///   1 (to 1e-9), or
///                                   normalize: true (the default), which divides by the sum: the
///                                   model with the greater weight is aligned, α = w_aligned − 1
///                                   after normalisation
///   A weight may be a number, a gradient list, or a list of {filter, value}: those become rules
///   where they can. dtype / out_dtype → out_dtype; anything else that would change the result is
///   refused by name.
struct Recipe {
  struct Alpha {
    std::vector<double> points;  ///< one number, or the points of a gradient over the depth
  };
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
  std::optional<std::string> out_dtype;
  std::optional<std::string> rounding;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> max_shard_size;
  std::optional<std::string> on_mismatch;
  std::vector<std::string> notes;  ///< how a mergekit recipe was understood, for the report
};

/// Parses a recipe. Error(usage) names file, line and key. YAML anchors are fine; aliases that
/// would expand beyond 1 MB, nesting beyond 64 and files beyond 1 MB are refused. Local model
/// references stay as written.
Recipe parse_recipe(const std::string& text, const std::string& where);
Recipe read_recipe(Filesystem& filesystem, const std::filesystem::path& file);

}  // namespace expo
