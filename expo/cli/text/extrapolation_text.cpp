#include "expo/cli/text/extrapolation_text.h"

#include <fmt/format.h>

#include "expo/core/byte_size.h"
#include "expo/core/text.h"

namespace expo {
namespace {

std::string row(const std::string& name, const DeltaSummary& summary) {
  return fmt::format(
      "  {:<20} {:>14} {:>10.3e} {:>9.2f} % {:>12} {:>8.2f} %\n", on_one_line(name),
      summary.elements, summary.relative_norm, 100 * summary.changed,
      summary.effective_alpha ? fmt::format("{:.4g}", *summary.effective_alpha) : "-",
      100 * summary.lost);
}

std::string delta_table(const ExtrapolationReport& report) {
  std::string text = fmt::format("  {:<20} {:>14} {:>10} {:>11} {:>12} {:>10}\n", "", "weights",
                                 "‖Δ‖/‖θ‖", "changed", "effective α", "lost");
  for (const GroupSummary& group : summarise_by_kind(report.deltas))
    text += row(group.group, group.summary);
  return text + row("all", summarise(total(report.deltas)));
}

std::string mismatch_lines(const ExtrapolationReport& report) {
  std::string text;
  for (const Mismatch& mismatch : report.mismatches) {
    text += fmt::format("  {}\n", on_one_line(fmt::format("\"{}\": {}: {}", mismatch.tensor,
                                                          mismatch.problem, mismatch.treatment)));
  }
  return text.empty() ? text : "treated by --on-mismatch:\n" + text;
}

std::string plan_lines(const ExtrapolationReport& report) {
  std::string text = fmt::format(
      "would read {} and write {} in {} file{} to {} ({} free)\n", format_bytes(report.bytes_read),
      format_bytes(report.bytes_written), report.files.size(), report.files.size() == 1 ? "" : "s",
      report.output.string(), format_bytes(report.free_bytes));
  text += fmt::format("α = {}, {} tensors, {} threads, about {} of memory\n", report.alpha,
                      report.tensors, report.threads, format_bytes(report.memory_bytes));
  for (const auto& [name, size] : report.files)
    text += fmt::format("  {}  {}\n", name, format_bytes(size));
  return text;
}

}  // namespace

std::string describe(const ExtrapolationReport& report) {
  if (report.dry_run) return escape_controls(plan_lines(report) + mismatch_lines(report));
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.bytes_written) / report.seconds : 0;
  const std::string table = report.deltas.empty() ? std::string() : delta_table(report);
  return escape_controls(table + mismatch_lines(report) +
                         fmt::format("wrote {} ({} tensors, {}, α = {}) in {:.2f} s, {}/s{}\n",
                                     report.output.string(), report.tensors,
                                     format_bytes(report.bytes_written), report.alpha,
                                     report.seconds, format_bytes(static_cast<std::uint64_t>(rate)),
                                     report.resumed ? ", resumed" : ""));
}

}  // namespace expo
