#include "expo/evaluation/judged_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

bool fits(const Annotation& row, const ReferenceData& reference) {
  return row.index < reference.baseline_lengths.size() &&
         row.baseline_length == reference.baseline_lengths[row.index];
}

/// How many rows have a baseline's length that AlpacaEval's have too, wherever it is.
std::size_t shared_lengths(const std::vector<Annotation>& rows, const ReferenceData& reference) {
  std::map<std::uint64_t, std::size_t> left;
  for (const std::uint64_t length : reference.baseline_lengths) ++left[length];
  std::size_t shared = 0;
  for (const Annotation& row : rows) {
    const auto found = left.find(row.baseline_length);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++shared;
  }
  return shared;
}

[[noreturn]] void refuse_misplaced(const Annotation& row, const ReferenceData& reference) {
  const std::string expected =
      row.index < reference.baseline_lengths.size()
          ? fmt::format("{}, as AlpacaEval's baseline has at this index",
                        reference.baseline_lengths[row.index])
          : fmt::format("an index below {}", reference.baseline_lengths.size());
  throw input_error(fmt::format(
      "{}: the baseline's answer of index {} has {}; expected {}: nearly all rows are "
      "AlpacaEval's, "
      "so rows have been shuffled, lost or changed; restore their order or indices, or give "
      "--other-instructions if these are other instructions",
      row.place, row.index, counted(row.baseline_length, "character"), expected));
}

bool is_alpaca_eval(const std::vector<Annotation>& rows, const ReferenceData& reference) {
  const auto misplaced =
      std::ranges::find_if_not(rows, [&](const Annotation& row) { return fits(row, reference); });
  if (misplaced == rows.end()) return true;
  // Of another baseline's lengths, about a quarter occur by chance.
  constexpr std::size_t kFewest = 50;
  constexpr double kNearlyAll = 0.9;
  const auto shared = static_cast<double>(shared_lengths(rows, reference));
  if (rows.size() >= kFewest && shared >= kNearlyAll * static_cast<double>(rows.size()))
    refuse_misplaced(*misplaced, reference);
  return false;
}

/// The first index that is missing from rows that should begin at `first`.
std::uint64_t first_missing(const std::vector<Annotation>& rows, std::uint64_t first) {
  for (const Annotation& row : rows) {
    if (row.index != first) break;
    ++first;
  }
  return first;
}

std::string others(std::uint64_t count) {
  return count > 1 ? fmt::format(" (and {} more)", count - 1) : std::string();
}

void erase_others(std::vector<Annotation>& rows, const std::vector<Annotation>& kept) {
  std::erase_if(rows, [&](const Annotation& row) {
    return !std::ranges::binary_search(kept, row.index, {}, &Annotation::index);
  });
}

/// Takes the decision whether rows are AlpacaEval's, and counts the others accordingly.
void decide(JudgedRows& judged, bool alpaca_eval, const ReferenceData& reference) {
  if (alpaca_eval && !judged.alpaca_eval) {
    judged.expected = reference.baseline_lengths.size();
    // Beyond AlpacaEval's indices, a row is not one of those that are expected.
    const auto is_expected = [&](const Annotation& row) { return row.index < judged.expected; };
    judged.failed = static_cast<std::uint64_t>(std::ranges::count_if(judged.unjudged, is_expected));
  }
  judged.alpaca_eval = alpaca_eval;
  judged.missing = judged.expected - judged.failed - judged.rows.size();
  judged.unjudged.clear();
}

constexpr const char* kRemedy =
    "have them judged, or give --allow-missing to compute the figures over the other rows";

void refuse_missing(const Annotations& annotations, const JudgedRows& judged, std::uint64_t first) {
  throw input_error(fmt::format("{}: there is no row with the index {}{}; expected {}; {}",
                                annotations.location, first_missing(annotations.rows, first),
                                others(judged.missing), counted(judged.expected, "row"), kRemedy));
}

void refuse_failed(const Annotations& annotations, const JudgedRows& judged) {
  const auto failed =
      std::ranges::find_if(annotations.rows, [](const Annotation& row) { return !row.preference; });
  throw input_error(
      fmt::format("{}: the row with the index {}{} has no preference, as the judge "
                  "failed on it; expected a number from 1 to 2; {}",
                  failed->place, failed->index, others(judged.failed), kRemedy));
}

}  // namespace

JudgedRows judged_rows(const Annotations& annotations, const ReferenceData& reference,
                       const RowDemands& demands) {
  JudgedRows result;
  result.alpaca_eval = !demands.other_instructions && is_alpaca_eval(annotations.rows, reference);
  const std::uint64_t first = result.alpaca_eval ? 0 : annotations.rows.front().index;
  result.expected = result.alpaca_eval ? reference.baseline_lengths.size()
                                       : annotations.rows.back().index - first + 1;
  result.missing = result.expected - annotations.rows.size();
  for (const Annotation& row : annotations.rows)
    (row.preference ? result.rows : result.unjudged).push_back(row);
  result.failed = result.unjudged.size();
  if (result.missing > 0 && !demands.allow_missing) refuse_missing(annotations, result, first);
  if (result.failed > 0 && !demands.allow_missing) refuse_failed(annotations, result);
  if (result.rows.size() < 2)
    throw input_error(fmt::format("{}: {} with a preference; expected at least two",
                                  annotations.location, counted(result.rows.size(), "row")));
  return result;
}

void keep_common(JudgedRows& first, JudgedRows& second, const ReferenceData& reference,
                 const RowDemands& demands) {
  erase_others(first.rows, second.rows);
  erase_others(second.rows, first.rows);
  const bool alpaca_eval =
      !demands.other_instructions && !first.rows.empty() && is_alpaca_eval(first.rows, reference);
  decide(first, alpaca_eval, reference);
  decide(second, alpaca_eval, reference);
}

}  // namespace expo
