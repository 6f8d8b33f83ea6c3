#include "expo/cli/text/run_text.h"

#include <fmt/format.h>

#include "expo/core/text.h"

namespace expo {
namespace {

/// "on cpu in bfloat16"
std::string where(const EngineDescription& engine) {
  if (engine.facts.contains("url"))
    return fmt::format("by {} at {}", engine.kind, engine.facts.value("url", ""));
  return fmt::format("on {} in {}", engine.facts.value("device", ""),
                     engine.facts.value("dtype", ""));
}

std::string rate(std::uint64_t tokens, double seconds) {
  return seconds > 0 ? fmt::format("{:.1f} tokens/s", static_cast<double>(tokens) / seconds)
                     : std::string("nothing left to do");
}

std::string describe(const MeanOfRewards& value) {
  std::string text = fmt::format("{:.4f}", value.mean);
  if (value.standard_error)
    text += fmt::format(" ± {:.4f} (standard error)", *value.standard_error);
  return text;
}

std::string describe(const PairScores& pairs) {
  const auto& [low, high] = pairs.accuracy_interval;
  const auto& [margin_low, margin_high] = pairs.margin_interval;
  return fmt::format(
      "accuracy {:.2f} % (95 %: {:.2f} to {:.2f}), {} ties\n"
      "margin {:.4f} (95 %: {:.4f} to {:.4f})\n",
      100 * pairs.accuracy, 100 * low, 100 * high, pairs.ties, pairs.margin.mean, margin_low,
      margin_high);
}

std::string also(std::uint64_t count, const char* what) {
  return count == 0 ? "" : fmt::format(", {} {}", count, what);
}

std::string moved(const EngineDescription& engine) {
  return engine.alpha ? fmt::format(", α = {}", *engine.alpha) : std::string();
}

std::string complete(const std::filesystem::path& output, const std::string& what) {
  return fmt::format("{} is complete already: {}; --overwrite runs it again\n", output.string(),
                     what);
}

}  // namespace

std::string describe(const GenerationReport& report) {
  const std::string answers = fmt::format(
      "{} to {}{}{}", counted(report.answers, "answer"), counted(report.prompts, "prompt"),
      also(report.truncated, "cut off at the limit"), also(report.skipped, "skipped"));
  if (report.was_complete) return complete(report.output, answers);
  return fmt::format(
      "{}{}{}{}\n"
      "{} new tokens, {}, up to {} at once, {}; {:.2f} s of loading, {:.2f} s of generation\n",
      report.output.empty() ? "" : fmt::format("wrote {}: ", report.output.string()), answers,
      also(report.resumed, "from the interrupted run"), moved(report.engine), report.run.tokens,
      rate(report.run.tokens, report.run.seconds), report.run.peak_batch, where(report.engine),
      report.engine.loading_seconds, report.run.seconds);
}

std::string describe(const ScoringReport& report) {
  const std::string rows =
      counted(report.rows, report.pairs ? "pair" : "row") + also(report.skipped, "skipped");
  std::string text =
      report.was_complete
          ? complete(report.output, rows)
          : fmt::format(
                "{}{}{}{}\n",
                report.output.empty() ? "" : fmt::format("wrote {}: ", report.output.string()),
                rows, also(report.resumed, "from the interrupted run"), moved(report.engine));
  if (report.pairs) text += describe(*report.pairs);
  for (std::size_t i = 0; i < report.labels.size(); ++i) {
    text += fmt::format("mean {}{} {}\n", report.column,
                        report.labels.size() > 1 ? fmt::format("[{}]", i) : "",
                        describe(report.labels[i]));
  }
  if (report.was_complete) return text;
  return text + fmt::format("{} tokens, {}, {}; {:.2f} s of loading, {:.2f} s of scoring\n",
                            report.tokens, rate(report.tokens, report.seconds),
                            where(report.engine), report.engine.loading_seconds, report.seconds);
}

}  // namespace expo
