#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace expo {

/// Whether a request may be sent again after an answer of this status: 408, 409, 429 and 5xx, but
/// not 429 for a quota that is used up.
bool may_retry(long status, std::string_view body);

/// The time before retry number `retry` (from 0 on): first · 2^retry, at most 16 · first, less up
/// to a quarter of it: `draw` is in [0, 1).
std::chrono::milliseconds backoff(std::chrono::milliseconds first, unsigned retry, double draw);

/// The time from now on that a header line "retry-after-ms: …" or "Retry-After: …" asks for, in
/// seconds or as a date, at least 0 and at most a day; std::nullopt for other lines. `now` is the
/// time of the clock.
std::optional<std::chrono::milliseconds> asked_wait(std::string_view header_line,
                                                    std::chrono::system_clock::time_point now);

}  // namespace expo
