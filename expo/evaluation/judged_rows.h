#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "expo/evaluation/annotations.h"
#include "expo/evaluation/reference_data.h"

namespace expo {

/// What is asked of the rows of annotations.
struct RowDemands {
  bool allow_missing = false;  ///< go on without rows that are missing or that the judge failed on
  bool other_instructions = false;  ///< never take the rows for AlpacaEval's
};

/// The rows of annotations that have a preference, and what is known of the others.
struct JudgedRows {
  std::vector<Annotation> rows;  ///< at least two, ordered by index
  /// Those that the judge failed on: their lengths and difficulties are known. Ordered by index.
  std::vector<Annotation> unjudged;
  /// Whether the instructions are AlpacaEval's and the baseline's answers gpt4_1106_preview's: then
  /// the difficulties and the gamed rows hold.
  bool alpaca_eval = false;
  std::uint64_t expected = 0;  ///< rows, with those that are missing
  std::uint64_t missing = 0;
  std::uint64_t failed = 0;
};

/// Finds the rows that can be used. They are AlpacaEval's if all lengths of the baseline's answers
/// are those of gpt4_1106_preview's. If nearly all of these lengths occur, but some not at their
/// index, rows have been shuffled, lost or changed: Error(input) that names the first. Other
/// instructions may have any indices without a gap. Throws Error(input) that names the first row
/// that is missing or has no preference, unless they are allowed, and for fewer than two that are
/// left.
JudgedRows judged_rows(const Annotations& annotations, const ReferenceData& reference,
                       const RowDemands& demands);

/// Keeps the rows whose instructions both models have a preference for, in both alike, and decides
/// on them whether they are AlpacaEval's, so that both are fitted in the same way. Rows that are
/// left out count as missing; `unjudged` gets empty. Throws Error(input) for rows that have been
/// shuffled, as judged_rows() does. The baseline's answers of an index must be the same in both.
void keep_common(JudgedRows& first, JudgedRows& second, const ReferenceData& reference,
                 const RowDemands& demands);

}  // namespace expo
