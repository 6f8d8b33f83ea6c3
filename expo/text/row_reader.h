#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// The rows of a data set, one JSON object each, in the file's order. Not thread-safe.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// False at the end. Throws Error(input) that names file and line (or row) of a bad one.
  virtual bool next(Json& row) = 0;
  /// Of the row that next() gave last: "dev.jsonl:3", "dev.parquet: row 3"; both count from 1.
  virtual std::string place() const = 0;
};

/// Opens a data set:
///   FILE.jsonl, .ndjson  an object a line; empty lines are skipped
///   FILE.json            an array of objects (AlpacaEval's), one object, or an object a line
///   FILE.parquet         uncompressed, snappy or zstd; nested columns become lists and objects
///   FOLDER               as Hugging Face keeps a data set: the files of one split in the order of
///                        their names, in the folder itself or else in its data/. The split is what
///                        the name says: train of train-00000-of-00002.parquet and of train.jsonl.
/// `split` is needed where a folder has several, and refused for a file. Throws Error(usage) for a
/// split that is not there, Error(input) for files of another kind.
std::unique_ptr<RowReader> open_rows(Filesystem& filesystem, const std::filesystem::path& path,
                                     const std::optional<std::string>& split = std::nullopt);

/// The first `limit` rows of another reader.
std::unique_ptr<RowReader> first_rows(std::unique_ptr<RowReader> rows, std::uint64_t limit);

}  // namespace expo
