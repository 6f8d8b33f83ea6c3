#include "expo/http/retry_policy.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "expo/core/text.h"

namespace expo {
namespace {

using std::chrono::milliseconds;

/// A day: what is longer means "not today" however it is written.
constexpr double kLongestWait = 86'400'000;

/// A number; what is too large for one is a day and more.
std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && end == text.data() + text.size())
    return text.starts_with('-') ? 0 : kLongestWait;
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

milliseconds bounded(double wait) {
  return milliseconds(static_cast<std::int64_t>(std::clamp(wait, 0.0, kLongestWait)));
}

}  // namespace

bool may_retry(long status, std::string_view body) {
  if (status == 429) return body.find("insufficient_quota") == std::string_view::npos;
  return status == 408 || status == 409 || status >= 500;
}

milliseconds backoff(milliseconds first, unsigned retry, double draw) {
  const double longest = 16.0 * static_cast<double>(first.count());
  const double wait = std::min(
      std::ldexp(static_cast<double>(first.count()), static_cast<int>(std::min(retry, 16U))),
      longest);
  return bounded(wait * (1 - 0.25 * draw));
}

std::optional<milliseconds> asked_wait(std::string_view header_line,
                                       std::chrono::system_clock::time_point now) {
  const std::size_t colon = header_line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string name = lower_case(header_line.substr(0, colon));
  const std::string value(trimmed(header_line.substr(colon + 1), " \t\r\n"));
  const auto number = number_of(value);
  if (name == "retry-after-ms" && number) return bounded(*number);
  if (name != "retry-after") return std::nullopt;
  if (number) return bounded(*number * 1000);
  const time_t date = curl_getdate(value.c_str(), nullptr);
  if (date < 0) return std::nullopt;
  // In seconds, because the clock's own unit cannot hold every date.
  const double present = std::chrono::duration<double>(now.time_since_epoch()).count();
  return bounded((static_cast<double>(date) - present) * 1000);
}

}  // namespace expo
