#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/core/progress.h"

namespace CLI {
class App;
}

namespace expo {

/// The options of every command that writes a checkpoint.
struct OutputOptions {
  std::string output;
  std::string out_dtype;
  std::string max_shard_size;
  unsigned threads = 0;
  bool overwrite = false;
  bool dry_run = false;
  bool allow_overflow = false;
  bool json = false;

  void declare(CLI::App& command, const std::string& default_dtype);
  /// Declares --threads, in the help section kMachine.
  void declare_machine(CLI::App& command);
  /// Returns std::nullopt if the option was not given. Throws Error(usage) for a word that is not a
  /// type.
  static std::optional<DType> parse_dtype(const std::string& word);
  static std::uint64_t parse_shard_size(const std::string& word);  ///< empty: 5 GB
};

/// Prints each warning as a line on stderr.
void print_warnings(const std::vector<std::string>& warnings);
/// Prints each note that is not empty as a line on stderr.
void print_notes(const std::vector<std::string>& notes);

}  // namespace expo
