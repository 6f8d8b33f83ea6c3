// Reads any bytes as annotations, in a CSV and in JSON, and computes the figures of those that are
// accepted.
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/evaluation/comparison.h"

namespace {

std::optional<expo::Annotations> read(expo::MemoryFilesystem& files, const char* path,
                                      std::string_view text) {
  files.write_text(path, text);
  try {
    return expo::read_annotations(files, path);
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
    return std::nullopt;
  }
}

/// Three instructions stand for AlpacaEval's, so that both kinds of fit are met.
expo::ReferenceData reference() {
  expo::ReferenceData data;
  data.baseline_lengths = {3, 1, 4};
  data.difficulties = {-1, 0.5, 0.25};
  data.gamed.rows = {{0.5, -1}, {-0.25, 0.5}};
  data.gamed.sums = {0.125, -0.25};
  return data;
}

void check(const expo::LeaderboardRow& row) {
  const auto is_rate = [](double rate) { return rate >= 0 && rate <= 100.0000001; };
  if (!is_rate(row.wins.win_rate) || !is_rate(row.controlled.win_rate)) __builtin_trap();
  if (!is_rate(row.interval.first) || !is_rate(row.interval.second)) __builtin_trap();
  if (!std::isfinite(row.wins.standard_error)) __builtin_trap();
  if (row.wins.wins + row.wins.baseline_wins + row.wins.draws != row.rows) __builtin_trap();
  if (expo::to_json(row).empty()) __builtin_trap();
}

void use(const expo::Annotations& annotations) {
  for (std::size_t i = 1; i < annotations.rows.size(); ++i)
    if (annotations.rows[i].index <= annotations.rows[i - 1].index) __builtin_trap();
  expo::EvaluationOptions options;
  options.rows.allow_missing = true;
  options.resamples = 2;
  const expo::CancellationToken never;
  try {
    check(expo::evaluate(annotations, reference(), options, never));
    const auto same = expo::compare(annotations, annotations, reference(), options, never);
    if (same.win_rate.difference != 0 || same.controlled_win_rate.difference != 0) __builtin_trap();
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  expo::MemoryFilesystem files;
  for (const char* path : {"/a.csv", "/a.json", "/a.jsonl"}) {
    if (const auto annotations = read(files, path, text)) use(*annotations);
  }
  return 0;
}
