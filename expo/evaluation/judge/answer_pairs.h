#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// An instruction with the two answers that a judge compares.
struct AnswerPair {
  std::uint64_t index = 0;  ///< of the instruction in the reference's file
  std::string place = {};   ///< of the model's answer: "model_outputs.json: entry 3"
  std::string instruction = {};
  std::string dataset = {};  ///< AlpacaEval's name of the instruction's origin; may be empty
  std::string baseline_output = {};
  std::string model_output = {};
};

/// The answers of a model beside those of the baseline.
struct AnswerPairs {
  std::string baseline;  ///< its "generator", or the file's name
  std::string model;
  std::vector<AnswerPair> rows = {};  ///< in the order of the reference
  std::uint64_t missing = 0;          ///< instructions that only the baseline has answered
  std::vector<std::string> warnings = {};
};

/// Reads the answers of a model and of the baseline in AlpacaEval's format: a data set
/// (text/row_reader.h) with the columns instruction and output and, if they are there, generator
/// and dataset; or in the formats that `expo generate` writes, where the instruction may be in
/// prompt, and the answer in answer or in the last of the messages. Joins them by instruction, as
/// alpaca_eval does. Rows of the model that are in
/// another order than the reference's are put in that order, with a warning. Throws Error(input)
/// that names the row for an instruction that occurs twice in a file or that the reference has not,
/// for answers of two models in one file and for one that is not text; and for an instruction that
/// the model has not answered, unless `allow_missing`.
AnswerPairs read_answer_pairs(Filesystem& filesystem, const std::filesystem::path& model_outputs,
                              const std::filesystem::path& reference_outputs, bool allow_missing);

}  // namespace expo
