#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "expo/engine/embedded_spec.h"
#include "expo/engine/kept_rows.h"
#include "expo/text/row_reader.h"

namespace CLI {
class App;
}

namespace expo {

/// The options of every command that runs a model.
struct ModelOptions {
  std::string model;
  std::string device = "auto";
  std::string dtype = "auto";
  std::string chat_template;
  bool no_chat_template = false;
  std::vector<std::string> template_variables;
  std::string system;
  unsigned threads = 0;
  bool deterministic = false;

  void declare(CLI::App& command, const std::string& model_description);
  /// What of an engine these options say. Throws Error(usage) for words that make no sense.
  EmbeddedSpec spec() const;
};

/// The options of every command that reads a data set and writes a row for each of its rows.
struct RowOptions {
  std::string data;
  std::string split;
  std::size_t limit = 0;  ///< rows that are read; 0: all
  std::string prompt_column;
  std::string id_column;
  std::string output;
  bool skip_too_long = false;
  bool overwrite = false;
  bool resume = false;
  bool json = false;

  void declare(CLI::App& command);
  /// Whether the output is one JSON array.
  bool as_array() const;
  /// Throws Error(usage) for options that ask for an output file where there is none.
  void check_output() const;
  /// Where the rows go, with the data set as what must not be written over.
  RowOutput destination() const;
};

/// The rows of the data set that the options name.
std::unique_ptr<RowReader> open_first_rows(Filesystem& filesystem, const RowOptions& options);

}  // namespace expo
