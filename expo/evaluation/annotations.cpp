#include "expo/evaluation/annotations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/annotation_readers.h"
#include "expo/evaluation/comma_table.h"

namespace expo {
namespace {

void sort_by_index(Annotations& annotations) {
  auto& rows = annotations.rows;
  const auto descent = std::ranges::is_sorted_until(rows, {}, &Annotation::index);
  if (descent == rows.end()) return;
  annotations.warnings.push_back(
      fmt::format("{}: the rows are not in the order of their indices ({} comes after {}); expo "
                  "sorts them, but AlpacaEval takes the place of a row for its index",
                  descent->place, descent->index, std::prev(descent)->index));
  std::ranges::stable_sort(rows, {}, &Annotation::index);
}

void refuse_doubled(const Annotations& annotations) {
  const auto& rows = annotations.rows;
  const auto same = std::ranges::adjacent_find(rows, {}, &Annotation::index);
  if (same == rows.end()) return;
  throw input_error(fmt::format("{}: the index {} is also that of {}; expected each index once",
                                std::next(same)->place, same->index, same->place));
}

}  // namespace

std::optional<double> preference_of(std::optional<double> number, const std::string& place) {
  constexpr double kFailure = -1;  // what AlpacaEval keeps for an answer that it could not read
  if (!number || std::isnan(*number) || *number == kFailure) return std::nullopt;
  constexpr double kDraw = 1.5;
  if (*number == 0) return kDraw;
  if (*number >= 1 && *number <= 2) return number;
  throw input_error(
      fmt::format("{}: preference is {}; expected a number from 1 (the baseline wins) "
                  "to 2 (the model wins), or 0 for a draw",
                  place, *number));
}

Annotations read_annotation_table(Filesystem& filesystem, const std::filesystem::path& path) {
  const CommaTable table(filesystem, path);
  const auto columns = table.columns({"index", "len_baseline", "len_model", "preference"});
  Annotations result{.location = path.string(), .model = path.stem().string()};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    Annotation& annotation = result.rows.emplace_back();
    annotation.index = table.count(row, columns[0]);
    annotation.place = table.place(row);
    annotation.baseline_length = table.count(row, columns[1]);
    annotation.model_length = table.count(row, columns[2]);
    annotation.preference = preference_of(table.number(row, columns[3]), annotation.place);
  }
  return result;
}

Annotations read_annotations(Filesystem& filesystem, const std::filesystem::path& path) {
  Annotations result = lower_case(path.extension().string()) == ".csv"
                           ? read_annotation_table(filesystem, path)
                           : read_annotation_rows(filesystem, path);
  if (result.rows.empty())
    throw input_error(path.string() +
                      ": there is no annotation; expected one for each instruction");
  sort_by_index(result);
  refuse_doubled(result);
  return result;
}

}  // namespace expo
