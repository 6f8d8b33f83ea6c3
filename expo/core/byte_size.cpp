#include "expo/core/byte_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>

#include "expo/core/error.h"

namespace expo {
namespace {

struct Unit {
  std::string_view name;  ///< upper case
  std::uint64_t bytes;
};
constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                       {"B", 1},
                                       {"K", 1'000},
                                       {"KB", 1'000},
                                       {"M", 1'000'000},
                                       {"MB", 1'000'000},
                                       {"G", 1'000'000'000},
                                       {"GB", 1'000'000'000},
                                       {"T", 1'000'000'000'000},
                                       {"TB", 1'000'000'000'000},
                                       {"KIB", std::uint64_t{1} << 10},
                                       {"MIB", std::uint64_t{1} << 20},
                                       {"GIB", std::uint64_t{1} << 30},
                                       {"TIB", std::uint64_t{1} << 40}}};
constexpr std::size_t kMaxFractionDigits = 6;

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> unit_bytes(std::string_view word) {
  std::string capitals(word);
  for (char& c : capitals) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const auto found = std::ranges::find(kUnits, std::string_view(capitals), &Unit::name);
  if (found == kUnits.end()) return std::nullopt;
  return found->bytes;
}

/// Removes the digits at the front of `text` and returns them.
std::string_view take_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

std::optional<std::uint64_t> to_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// floor(0.DIGITS × unit); exact, since six digits times 2^40 fit in 64 bits.
std::uint64_t fraction_of(std::string_view digits, std::uint64_t unit) {
  std::uint64_t scale = 1;
  for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
  return digits.empty() ? 0 : *to_number(digits) * unit / scale;
}

std::optional<std::uint64_t> parse(std::string_view text) {
  const std::string_view whole = take_digits(text);
  if (whole.empty()) return std::nullopt;
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
    if (fraction.empty() || fraction.size() > kMaxFractionDigits) return std::nullopt;
  }
  const auto unit = unit_bytes(trim(text));
  const auto count = to_number(whole);
  if (!unit || !count) return std::nullopt;
  const std::uint64_t rest = fraction_of(fraction, *unit);
  if (*count > (std::numeric_limits<std::uint64_t>::max() - rest) / *unit) return std::nullopt;
  return *count * *unit + rest;
}

}  // namespace

std::uint64_t parse_byte_size(std::string_view text) {
  const auto bytes = parse(trim(text));
  if (!bytes || *bytes == 0) {
    throw usage_error(fmt::format(
        "\"{}\" is not a size: expected a positive number with a unit such as 5GB, 500MB or 2GiB",
        text));
  }
  return *bytes;
}

std::string format_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", value / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

}  // namespace expo
