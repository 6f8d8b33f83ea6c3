#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// What a judge said of one instruction: the model's answer against the baseline's.
struct Annotation {
  std::uint64_t index = 0;  ///< of the instruction in its set
  std::string place = {};   ///< "annotations.csv:3", for messages
  /// The lengths of the two answers in characters (code points).
  std::uint64_t baseline_length = 0;
  std::uint64_t model_length = 0;
  /// From 1 (the baseline wins) to 2 (the model wins); 1.5 is a draw. None if the judge failed.
  std::optional<double> preference = {};
  std::string instruction = {};                  ///< empty if the file does not hold it
  std::optional<std::string> model_output = {};  ///< the answer; none in a table of lengths
};

/// The annotations of one model: what a judge writes, and all that the figures are computed from.
struct Annotations {
  std::string location;       ///< the file
  std::string model = {};     ///< the name of the model
  std::string baseline = {};  ///< the baseline's name; empty if the file does not say it
  std::string judge = {};     ///< AlpacaEval's "annotator"; empty if the file does not say it
  std::vector<Annotation> rows = {};       ///< ordered by index, and each index once
  std::vector<std::string> warnings = {};  ///< one sentence each
};

/// Reads annotations:
///   FILE.csv     the columns index, len_baseline, len_model and preference, in any order; the
///   model
///                has the file's name
///   other files  AlpacaEval's annotations.json, or a data set (text/row_reader.h) with its
///   columns:
///                output_1 (the baseline's answer), output_2 (the model's), preference and, if they
///                are there, index, instruction, generator_1, generator_2 and annotator. Without
///                index, rows count from 0.
/// A preference of 0 is a draw, as in AlpacaEval; an empty one, null, NaN or −1 means that the
/// judge failed. Rows in another order than their indices are sorted, with a warning. Throws
/// Error(input) that names the row for a doubled index, the same row twice, two models, baselines
/// or judges in one file, any other preference outside 1 to 2, and an answer that is not text; and
/// for a file without rows.
Annotations read_annotations(Filesystem& filesystem, const std::filesystem::path& path);

}  // namespace expo
