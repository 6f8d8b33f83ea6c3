#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// Rows that hold NaN or Infinity, which JSON has not and Python's json.dumps writes.
struct NonFiniteRows {
  std::uint64_t count = 0;
  std::string first;  ///< "dev.jsonl:3 (scores.mean is NaN)"
};

/// The rows of a data set, one JSON object each, in the file's order. Not thread-safe.
///
/// The numbers of JSON files are those of parse_python_json: integers keep all their digits,
/// however many. NaN, Infinity and -Infinity are read as such floats, and so are floats beyond the
/// range of doubles: RowView refuses them in a column that is used, and compact_json and
/// format_json write null for them.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// Reads the next row; returns false at the end. Throws Error(input) that names the file and the
  /// line (or row) if it is malformed.
  virtual bool next(Json& row) = 0;
  /// The place of the row that next() read last: "dev.jsonl:3", "dev.parquet: row 3"; both count
  /// from 1.
  virtual std::string place() const = 0;
  /// Among the rows that next() has given so far.
  virtual NonFiniteRows non_finite_rows() const { return {}; }
};

/// What to tell once the rows are read: nothing, or a sentence about non_finite_rows().
std::vector<std::string> row_warnings(const RowReader& rows);

/// Opens a data set:
///   FILE.jsonl, .ndjson  an object per line; empty lines are skipped
///   FILE.json            an array of objects (AlpacaEval's), one object, or an object per line
///                        Both are UTF-8, with or without a byte-order mark.
///   FILE.parquet         uncompressed, snappy, zstd, gzip, brotli or lz4; nested columns become
///                        lists and objects
///   FOLDER               a data set as Hugging Face lays it out: a split's files, ordered by
///                        name, in the folder itself or else in its data/. The split is taken from
///                        the file name: train for train-00000-of-00002.parquet and train.jsonl.
/// `split` is needed if a folder has several splits, and refused for a single file. Throws
/// Error(usage) for a split that does not exist, Error(input) for files of another kind.
std::unique_ptr<RowReader> open_rows(Filesystem& filesystem, const std::filesystem::path& path,
                                     const std::optional<std::string>& split = std::nullopt);

/// A reader of the first `limit` rows of another reader.
std::unique_ptr<RowReader> first_rows(std::unique_ptr<RowReader> rows, std::uint64_t limit);

}  // namespace expo
