#include "expo/evaluation/reference_data.h"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <string_view>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/comma_table.h"
#include "expo/search/statistics/summary.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// The column of a table whose rows are in the order of their index.
class IndexedTable {
 public:
  IndexedTable(Filesystem& filesystem, const fs::path& path) : table_(filesystem, path) {
    const std::size_t index = table_.columns({"index"})[0];
    for (std::size_t row = 0; row < table_.rows(); ++row) {
      if (table_.count(row, index) != row)
        throw input_error(fmt::format("{}: index is {}; expected {}, as the rows count from 0",
                                      table_.place(row), table_.cell(row, index), row));
    }
  }

  std::vector<std::uint64_t> counts(std::string_view name) const {
    const std::size_t column = table_.columns({name})[0];
    std::vector<std::uint64_t> values;
    for (std::size_t row = 0; row < table_.rows(); ++row)
      values.push_back(table_.count(row, column));
    return values;
  }

  std::vector<double> numbers(std::string_view name) const {
    const std::size_t column = table_.columns({name})[0];
    std::vector<double> values;
    for (std::size_t row = 0; row < table_.rows(); ++row)
      values.push_back(table_.required_number(row, column));
    return values;
  }

 private:
  CommaTable table_;
};

/// Appends the rows of a gamed baseline whose answers have these lengths.
void add_gamed(const std::vector<std::uint64_t>& lengths, const ReferenceData& data,
               GamedRows& gamed) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    differences.push_back(static_cast<double>(data.baseline_lengths[i]) -
                          static_cast<double>(lengths[i]));
  const double deviation = summarize(differences).deviation;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    gamed.rows.push_back({std::tanh(differences[i] / deviation), data.difficulties[i]});
}

GamedRows::Features read_sums(Filesystem& filesystem, const fs::path& path) {
  const CommaTable table(filesystem, path);
  const auto columns = table.columns({"feature", "sum"});
  constexpr std::array kFeatures{"length", "difficulty"};
  GamedRows::Features sums{};
  for (std::size_t i = 0; i < kFeatures.size(); ++i) {
    if (table.rows() != kFeatures.size() || table.cell(i, columns[0]) != kFeatures[i])
      throw input_error(path.string() + ": expected the two rows length and difficulty");
    sums[i] = table.required_number(i, columns[1]);
  }
  return sums;
}

ReferenceData read_shipped(Filesystem& filesystem, const fs::path& folder) {
  ReferenceData data;
  const fs::path difficulties = folder / "instruction_difficulty.csv";
  data.difficulties = IndexedTable(filesystem, difficulties).numbers("instruction_difficulty");
  const IndexedTable lengths(filesystem, folder / "gamed_baselines.csv");
  data.baseline_lengths = lengths.counts("len_baseline");
  if (data.difficulties.size() != data.baseline_lengths.size() || data.difficulties.size() < 2)
    throw input_error(fmt::format(
        "{}: found {}; expected {}, as in gamed_baselines.csv beside it", difficulties.string(),
        counted(data.difficulties.size(), "difficulty row"), data.baseline_lengths.size()));
  add_gamed(lengths.counts("len_verbose"), data, data.gamed);
  add_gamed(lengths.counts("len_concise"), data, data.gamed);
  data.gamed.sums = read_sums(filesystem, folder / "gamed_sums.csv");
  return data;
}

/// Reads AlpacaEval's rows of gamed baselines, and with them the difficulties.
class OfficialRows {
 public:
  OfficialRows(Filesystem& filesystem, const fs::path& path, std::size_t instructions)
      : table_(filesystem, path), path_(path.string()), difficulties_(instructions) {
    const auto columns = table_.columns(
        {"index", "preference", "std_delta_len", "instruction_difficulty", "not_gamed_baseline"});
    for (std::size_t row = 0; row < table_.rows(); ++row) add(row, columns);
  }

  void put_into(ReferenceData& data) const {
    data.difficulties.clear();
    for (std::size_t i = 0; i < difficulties_.size(); ++i) {
      if (!difficulties_[i])
        throw input_error(
            fmt::format("{}: there is no row with the index {}; expected {} "
                        "instructions",
                        path_, i, difficulties_.size()));
      data.difficulties.push_back(*difficulties_[i]);
    }
    data.gamed = gamed_;
  }

 private:
  void add(std::size_t row, std::span<const std::size_t> columns) {
    const std::uint64_t index = table_.count(row, columns[0]);
    const double difficulty = table_.required_number(row, columns[3]);
    if (index >= difficulties_.size())
      throw input_error(fmt::format("{}: index is {}; expected less than {}", table_.place(row),
                                    index, difficulties_.size()));
    if (lower_case(table_.cell(row, columns[4])) != "false")
      throw input_error(fmt::format("{}: not_gamed_baseline is \"{}\"; expected False in every row",
                                    table_.place(row), on_one_line(table_.cell(row, columns[4]))));
    if (!difficulties_[index]) difficulties_[index] = difficulty;
    const auto preference = table_.number(row, columns[1]);
    if (!preference) return;  // AlpacaEval leaves such a row out of the fit
    if (*preference < 0 || *preference > 1)
      throw input_error(fmt::format("{}: preference is {}; expected a number from 0 to 1",
                                    table_.place(row), *preference));
    const double length = std::tanh(table_.required_number(row, columns[2]));
    gamed_.rows.push_back({length, difficulty});
    gamed_.preferences.push_back(*preference);
    gamed_.sums[0] += *preference * length;
    gamed_.sums[1] += *preference * difficulty;
  }

  CommaTable table_;
  std::string path_;
  std::vector<std::optional<double>> difficulties_;
  GamedRows gamed_;
};

}  // namespace

ReferenceData read_reference_data(Filesystem& filesystem, const fs::path& shipped,
                                  const std::optional<fs::path>& official) {
  ReferenceData data = read_shipped(filesystem, shipped);
  if (official) {
    OfficialRows(filesystem, *official / "df_gamed.csv", data.difficulties.size()).put_into(data);
  }
  return data;
}

}  // namespace expo
