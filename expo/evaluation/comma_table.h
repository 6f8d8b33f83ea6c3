#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// A table of comma-separated values (RFC 4180) whose first line names the columns. Lines may end
/// in CRLF, cells may be quoted, the text may begin with a byte-order mark, and empty lines are
/// skipped. Columns are found by name, in any order.
class CommaTable {
 public:
  /// Throws Error(input) that names file and line for a line with more or fewer cells than the
  /// first, an open quote, a column that occurs twice, and for more than 16 MB or 1000 columns.
  CommaTable(Filesystem& filesystem, const std::filesystem::path& path);

  std::size_t rows() const { return lines_.size(); }
  /// "FILE:LINE", for messages.
  std::string place(std::size_t row) const;
  /// The places of the named columns. Throws Error(input) that names a missing one.
  std::vector<std::size_t> columns(std::initializer_list<std::string_view> names) const;
  const std::string& cell(std::size_t row, std::size_t column) const;

  /// The cell as a number; std::nullopt if it is empty or NaN, as pandas writes a missing number.
  /// Throws Error(input) that names place, column and cell for anything else that is not finite.
  std::optional<double> number(std::size_t row, std::size_t column) const;
  /// The cell as a number that must be there. Throws Error(input).
  double required_number(std::size_t row, std::size_t column) const;
  /// The cell as a whole number from 0 to 2⁵³. Throws Error(input).
  std::uint64_t count(std::size_t row, std::size_t column) const;

 private:
  void parse(std::string_view text);
  void finish_line(std::vector<std::string>& cells, std::size_t line);
  void name_columns(std::vector<std::string>& cells);
  [[noreturn]] void refuse(std::size_t row, std::size_t column, const char* expected) const;

  std::string location_;
  std::vector<std::string> names_;
  std::vector<std::string> cells_;  ///< row by row
  std::vector<std::size_t> lines_;  ///< the line in which each row ends
};

}  // namespace expo
