#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"

namespace expo {

/// What the card says of an extrapolation.
struct ModelCardFacts {
  std::string sft;      ///< Hugging Face id or last component of the path
  std::string aligned;  ///< likewise
  std::string alpha;    ///< AlphaSchedule::description()
  std::string out_dtype;
  RoundingDecision rounding;
  std::string
      recipe;  ///< YAML that `expo extrapolate --recipe` takes; empty where there is more to it
  DeltaSummary delta;
  std::vector<std::string> treated;  ///< mismatches and what was done, a line each
  std::string version;
};

/// A double-quoted YAML scalar in ASCII: JSON's escapes are a subset of YAML's.
std::string yaml_quoted(const std::string& text);

/// README.md of the output, with the front matter that the Hugging Face hub reads.
std::string model_card(const ModelCardFacts& facts);

/// config.json with `dtype` (or `torch_dtype`, whichever it has; in nested configurations too) set
/// to what most weights are stored in.
Json with_dtype(Json config, DType dtype);

}  // namespace expo
