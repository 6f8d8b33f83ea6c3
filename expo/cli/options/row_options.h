#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/engine/row_output.h"
#include "expo/text/row_reader.h"

namespace CLI {
class App;
}

namespace expo {

/// The options of every command that reads a data set and writes a row for each of its rows.
struct RowOptions {
  std::string data;
  std::string split;
  std::size_t limit = 0;  ///< most rows to read; 0: all
  std::string prompt_column;
  std::string id_column;
  std::string output;
  bool skip_too_long = false;
  bool overwrite = false;
  bool resume = false;
  bool json = false;

  void declare(CLI::App& command);
  /// Declares only what says which rows are read, without DATA.
  void declare_reading(CLI::App& command);
  /// Whether the output is one JSON array.
  bool as_array() const;
  /// Throws Error(usage) for options that need an output file if none is named.
  void check_output() const;
  /// Where the rows go; the data set is listed as a file that must not be overwritten.
  RowOutput destination() const;
};

/// Opens the data set that the options name; `limit` applies.
std::unique_ptr<RowReader> open_first_rows(Filesystem& filesystem, const RowOptions& options);

}  // namespace expo
