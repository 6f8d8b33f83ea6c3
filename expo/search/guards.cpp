#include "expo/search/guards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/search/statistics/summary.h"

namespace expo {
namespace {

/// Reads one guard; each refusal shows the whole of it.
class GuardReader {
 public:
  GuardReader(std::string_view text, std::span<const Measure> further)
      : text_(text), further_(further) {}

  Guard read() {
    const std::size_t sign = std::min(text_.find("<="), text_.find(">="));
    if (sign == std::string_view::npos) refuse("there is no <= or >= in it");
    guard_.text = text_;
    guard_.is_least = text_[sign] == '>';
    find_measure(text_.substr(0, sign));
    read_limit(text_.substr(sign + 2));
    return guard_;
  }

 private:
  [[noreturn]] void refuse(std::string_view found) const {
    std::vector<std::string> names{"length", "truncated"};
    for (const Measure& each : further_) names.push_back(each.name);
    const std::string last = names.back();
    names.pop_back();
    throw usage_error(fmt::format(
        "--guard '{}': {}; expected {} or {}, <= or >=, and a limit, as in 'truncated<=0.05' (at "
        "most so much more than at α = 0), 'length<=1.5x' (at most so many times that of α = 0) or "
        "'NAME>=-0.05' (at most so much less)",
        on_one_line(text_), found, fmt::join(names, ", "), last));
  }

  void find_measure(std::string_view name) {
    if (name == "length") {
      guard_.measure = &PromptScore::length;
    } else if (name == "truncated") {
      guard_.measure = &PromptScore::truncated;
    } else {
      const auto found =
          std::ranges::find_if(further_, [&](const Measure& each) { return each.name == name; });
      if (found == further_.end())
        refuse(fmt::format("the measure '{}' is not known", on_one_line(name)));
      guard_.measure = MeasurePick(static_cast<std::size_t>(found - further_.begin()));
      is_objective_ = found->is_objective;
    }
  }

  void read_limit(std::string_view written) {
    std::string_view number = written;
    guard_.is_ratio = number.ends_with('x');
    if (guard_.is_ratio) number.remove_suffix(1);
    double& limit = guard_.limit;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), limit);
    const bool is_number = error == std::errc{} && end == number.data() + number.size();
    const bool falls = guard_.is_least && !guard_.is_ratio;
    if (!is_number || !std::isfinite(limit) || (falls ? limit > 0 : limit < 0))
      refuse(fmt::format("'{}' is not a limit", on_one_line(number)));
    if (guard_.is_ratio && is_objective_)
      refuse("a score may be negative, so that a multiple of it is no limit");
  }

  std::string_view text_;
  std::span<const Measure> further_;
  Guard guard_;
  bool is_objective_ = false;
};

/// By how much each prompt is beyond the limit.
std::vector<double> excesses(const Guard& guard, std::span<const PromptScore> scores,
                             std::span<const PromptScore> baseline) {
  const double factor = guard.is_ratio ? guard.limit : 1;
  const double allowed = guard.is_ratio ? 0 : guard.limit;
  const double sign = guard.is_least ? -1 : 1;
  std::vector<double> result;
  for (std::size_t i = 0; i < std::min(scores.size(), baseline.size()); ++i) {
    result.push_back(
        sign * (guard.measure.of(scores[i]) - factor * guard.measure.of(baseline[i]) - allowed));
  }
  return result;
}

bool exceeds_by(const Guard& guard, std::span<const PromptScore> scores,
                std::span<const PromptScore> baseline, double standard_errors) {
  const std::vector<double> values = excesses(guard, scores, baseline);
  if (values.empty()) return false;
  const Summary excess = summarize(values);
  return excess.mean > standard_errors * excess.standard_error + 1e-12;
}

}  // namespace

Guard parse_guard(std::string_view text, std::span<const Measure> further) {
  return GuardReader(text, further).read();
}

bool violates(const Guard& guard, std::span<const PromptScore> scores,
              std::span<const PromptScore> baseline) {
  return exceeds_by(guard, scores, baseline, 0);
}

bool clearly_violates(const Guard& guard, std::span<const PromptScore> scores,
                      std::span<const PromptScore> baseline) {
  constexpr std::size_t kFewest = 8;  // standard errors of fewer mean little
  return std::min(scores.size(), baseline.size()) >= kFewest &&
         exceeds_by(guard, scores, baseline, 2);
}

}  // namespace expo
