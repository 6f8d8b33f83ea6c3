#include "expo/evaluation/comma_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestTable = std::uint64_t{16} << 20;
constexpr std::size_t kMostColumns = 1000;
constexpr double kLargestCount = 9007199254740992.0;  // 2⁵³: doubles hold every smaller one
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Takes a quoted cell off the text, from its opening quote on; returns false if it never ends.
bool take_quoted(std::string_view& text, std::string& cell, std::size_t& line) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\n') ++line;
    if (text[i] != '"') {
      cell += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '"') {
      cell += text[i++];
    } else {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

/// Takes a cell off the text, up to the comma or line end after it.
bool take_cell(std::string_view& text, std::string& cell, std::size_t& line) {
  if (text.starts_with('"') && !take_quoted(text, cell, line)) return false;
  const std::size_t end = std::min(text.find_first_of(",\n"), text.size());
  cell += text.substr(0, end);
  text.remove_prefix(end);
  if (!text.starts_with(',') && cell.ends_with('\r')) cell.pop_back();
  return true;
}

std::string shown(const std::string& cell) {
  constexpr std::size_t kLongest = 40;
  return cut_to(on_one_line(cell), kLongest);
}

}  // namespace

CommaTable::CommaTable(Filesystem& filesystem, const std::filesystem::path& path)
    : location_(path.string()) {
  const std::string text = filesystem.read_text(path, kLargestTable);
  parse(text);
  if (names_.empty())
    throw input_error(location_ + ": the file is empty; expected a line that names the columns");
}

void CommaTable::parse(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> cells;
  for (std::size_t line = 1; !text.empty();) {
    std::string cell;
    if (!take_cell(text, cell, line))
      throw input_error(fmt::format("{}:{}: a quoted cell does not end; expected a second quote",
                                    location_, line));
    cells.push_back(std::move(cell));
    if (cells.size() > kMostColumns)
      throw input_error(fmt::format("{}:{}: found more than {} cells; expected a table with commas",
                                    location_, line, kMostColumns));
    const bool goes_on = text.starts_with(',');
    if (!text.empty()) text.remove_prefix(1);
    if (goes_on && !text.empty()) continue;
    if (goes_on) cells.emplace_back();
    finish_line(cells, line++);
  }
}

void CommaTable::finish_line(std::vector<std::string>& cells, std::size_t line) {
  const bool empty = cells.size() == 1 && trimmed(cells.front(), " \t\r").empty();
  if (!empty && names_.empty()) {
    name_columns(cells);
  } else if (!empty) {
    if (cells.size() != names_.size())
      throw input_error(fmt::format("{}:{}: found {}; expected {}, as in the line of names",
                                    location_, line, counted(cells.size(), "cell"), names_.size()));
    std::ranges::move(cells, std::back_inserter(cells_));
    lines_.push_back(line);
  }
  cells.clear();
}

void CommaTable::name_columns(std::vector<std::string>& cells) {
  for (const std::string& cell : cells) {
    std::string name(trimmed(cell, " \t\r"));
    if (!name.empty() && std::ranges::find(names_, name) != names_.end())
      throw input_error(fmt::format("{}: the column \"{}\" occurs twice; expected it once",
                                    location_, shown(name)));
    names_.push_back(std::move(name));
  }
}

std::string CommaTable::place(std::size_t row) const {
  return fmt::format("{}:{}", location_, lines_.at(row));
}

std::vector<std::size_t> CommaTable::columns(std::initializer_list<std::string_view> names) const {
  std::vector<std::size_t> places;
  for (const std::string_view name : names) {
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end())
      throw input_error(fmt::format("{}: there is no column \"{}\"; expected {}", location_, name,
                                    fmt::join(names, ", ")));
    places.push_back(static_cast<std::size_t>(found - names_.begin()));
  }
  return places;
}

const std::string& CommaTable::cell(std::size_t row, std::size_t column) const {
  return cells_.at(row * names_.size() + column);
}

void CommaTable::refuse(std::size_t row, std::size_t column, const char* expected) const {
  throw input_error(fmt::format("{}: {} is \"{}\"; expected {}", place(row),
                                on_one_line(names_.at(column)), shown(cell(row, column)),
                                expected));
}

std::optional<double> CommaTable::number(std::size_t row, std::size_t column) const {
  const std::string_view text = trimmed(cell(row, column), " \t");
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || std::isinf(value))
    refuse(row, column, "a finite number");
  if (std::isnan(value)) return std::nullopt;
  return value;
}

double CommaTable::required_number(std::size_t row, std::size_t column) const {
  const auto value = number(row, column);
  if (!value) refuse(row, column, "a finite number");
  return *value;
}

std::uint64_t CommaTable::count(std::size_t row, std::size_t column) const {
  const std::string_view text = trimmed(cell(row, column), " \t");
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || text.empty() ||
      static_cast<double>(value) > kLargestCount)
    refuse(row, column, "a whole number from 0 on");
  return value;
}

}  // namespace expo
