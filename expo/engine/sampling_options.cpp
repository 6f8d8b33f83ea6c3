#include "expo/engine/sampling_options.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "expo/core/error.h"

namespace expo {
namespace {

/// `valid` is false for NaN too, because no comparison with it holds.
void require(bool valid, std::string_view option, double value, std::string_view range) {
  if (!valid) throw usage_error(fmt::format("{} is {}; expected {}", option, value, range));
}

}  // namespace

void check(const SamplingOptions& options) {
  const auto in = [](double value, double low, double high) {
    return value >= low && value <= high;
  };
  require(options.temperature >= 0 && std::isfinite(options.temperature), "temperature",
          options.temperature, "a finite number, at least 0 (0: greedy)");
  if (options.top_k < -1) {
    throw usage_error(
        fmt::format("top_k is {}; expected at least 1, or 0 or -1 for all tokens", options.top_k));
  }
  require(options.top_p > 0 && options.top_p <= 1, "top_p", options.top_p,
          "greater than 0 and at most 1 (1: all tokens)");
  require(in(options.min_p, 0, 1), "min_p", options.min_p, "0 to 1 (0: all tokens)");
  require(in(options.presence_penalty, -2, 2), "presence_penalty", options.presence_penalty,
          "-2 to 2 (0: none)");
  require(in(options.frequency_penalty, -2, 2), "frequency_penalty", options.frequency_penalty,
          "-2 to 2 (0: none)");
  require(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty),
          "repetition_penalty", options.repetition_penalty,
          "a finite number greater than 0 (1: none)");
}

}  // namespace expo
