#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"

namespace expo {

/// What the card says about an extrapolation.
struct ModelCardFacts {
  std::string sft;      ///< Hugging Face id or last component of the path
  std::string aligned;  ///< the same for ALIGNED
  std::string alpha;    ///< AlphaSchedule::description()
  std::string out_dtype;
  RoundingDecision rounding;
  std::string
      recipe;  ///< YAML for `expo extrapolate --recipe`; empty if a recipe cannot express the run
  DeltaSummary delta;
  std::vector<std::string> treated;  ///< mismatches and what was done, one line each
  std::string version;
};

/// Returns a double-quoted YAML scalar in ASCII; JSON's escapes are a subset of YAML's.
std::string yaml_quoted(const std::string& text);

/// The text of the output's README.md, with the front matter that the Hugging Face hub reads.
std::string model_card(const ModelCardFacts& facts);

/// Returns config.json with `dtype` (or `torch_dtype`, whichever it has; also in nested
/// configurations) set to the type that most weights are stored in.
Json with_dtype(Json config, DType dtype);

}  // namespace expo
