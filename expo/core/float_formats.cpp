#include "expo/core/float_formats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace expo {
namespace {

constexpr std::uint64_t kDoubleSign = std::uint64_t{1} << 63;
constexpr std::uint64_t kDoubleInfinity = std::uint64_t{0x7ff} << 52;
constexpr std::uint64_t kDoubleQuiet = std::uint64_t{1} << 51;
constexpr std::uint64_t kDoubleHidden = std::uint64_t{1} << 52;
constexpr std::uint64_t kDoubleFraction = kDoubleHidden - 1;

template <int kExponentBits, int kFractionBits>
struct Format {
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  static constexpr int kSpared = 52 - kFractionBits;  // fraction bits that only float64 has
  static constexpr std::uint64_t kSign = std::uint64_t{1} << (kExponentBits + kFractionBits);
  static constexpr std::uint64_t kInfinity = ((std::uint64_t{1} << kExponentBits) - 1)
                                             << kFractionBits;
  static constexpr std::uint64_t kQuiet = std::uint64_t{1} << (kFractionBits - 1);

  static double to_double(std::uint64_t code) noexcept;
  template <class RoundsUp>
  static std::uint64_t from_double(double value, RoundsUp rounds_up) noexcept;
  static std::uint64_t nearest(double value) noexcept;
  static std::uint64_t stochastic(double value, std::uint32_t random) noexcept;
};
using Bf16 = Format<8, 7>;
using F16 = Format<5, 10>;
using F32 = Format<8, 23>;

template <int kExponentBits, int kFractionBits>
double Format<kExponentBits, kFractionBits>::to_double(std::uint64_t code) noexcept {
  const std::uint64_t sign = (code & kSign) != 0 ? kDoubleSign : 0;
  const std::uint64_t magnitude = code & (kSign - 1);
  if (magnitude > kInfinity) {
    return std::bit_cast<double>(sign | kDoubleInfinity | kDoubleQuiet |
                                 (magnitude << kSpared & kDoubleFraction));
  }
  if (magnitude == kInfinity) return std::bit_cast<double>(sign | kDoubleInfinity);
  const std::uint64_t rebias = std::uint64_t{1023 - kBias} << 52;
  if (magnitude >> kFractionBits != 0) {
    return std::bit_cast<double>(sign | ((magnitude << kSpared) + rebias));
  }
  const int width = static_cast<int>(std::bit_width(magnitude));  // width of a subnormal's fraction
  if (width == 0) return std::bit_cast<double>(sign);
  const auto exponent = static_cast<std::uint64_t>(1023 + width - kBias - kFractionBits);
  return std::bit_cast<double>(sign | exponent << 52 |
                               (magnitude << (53 - width) & kDoubleFraction));
}

/// `rounds_up(kept, remainder, dropped)` decides whether the magnitude kept·2^dropped + remainder,
/// in units of the last place of value's significand, goes up to (kept + 1)·2^dropped.
template <int kExponentBits, int kFractionBits>
template <class RoundsUp>
std::uint64_t Format<kExponentBits, kFractionBits>::from_double(double value,
                                                                RoundsUp rounds_up) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t sign = (bits & kDoubleSign) != 0 ? kSign : 0;
  const std::uint64_t magnitude = bits & ~kDoubleSign;
  if (magnitude > kDoubleInfinity) {
    return sign | kInfinity | kQuiet | (magnitude & kDoubleFraction) >> kSpared;
  }
  if (magnitude == kDoubleInfinity) return sign | kInfinity;
  if (magnitude < kDoubleHidden) return sign;  // far below half of any format's smallest value
  const int exponent = static_cast<int>(magnitude >> 52) - 1023 + kBias;  // biased for the target
  const std::uint64_t significand = (magnitude & kDoubleFraction) | kDoubleHidden;
  const int dropped = kSpared + std::max(0, 1 - exponent);
  const std::uint64_t kept = dropped < 64 ? significand >> dropped : 0;
  const std::uint64_t remainder = dropped < 64 ? significand - (kept << dropped) : significand;
  // `kept` includes the hidden bit of a normal number, so the exponent is added less one; a carry
  // then increments the exponent as it should.
  std::uint64_t code = (static_cast<std::uint64_t>(std::max(exponent, 1) - 1) << kFractionBits) +
                       kept + (rounds_up(kept, remainder, dropped) ? 1 : 0);
  if (exponent > 2 * kBias) code = kInfinity;
  return sign | std::min(code, kInfinity);
}

template <int kExponentBits, int kFractionBits>
std::uint64_t Format<kExponentBits, kFractionBits>::nearest(double value) noexcept {
  return from_double(value, [](std::uint64_t kept, std::uint64_t remainder, int dropped) {
    if (dropped > 54) return false;  // below half of the smallest subnormal
    const std::uint64_t half = std::uint64_t{1} << (dropped - 1);
    return remainder > half || (remainder == half && (kept & 1) != 0);
  });
}

template <int kExponentBits, int kFractionBits>
std::uint64_t Format<kExponentBits, kFractionBits>::stochastic(double value,
                                                               std::uint32_t random) noexcept {
  const double largest = to_double(kInfinity - 1);
  if (std::isnan(value) || value > largest || value < -largest) return nearest(value);
  return from_double(value, [random](std::uint64_t, std::uint64_t remainder, int dropped) {
    if (dropped >= 32 + 64) return false;
    const std::uint64_t fraction =
        dropped >= 32 ? remainder >> (dropped - 32) : remainder << (32 - dropped);
    return fraction + random >= std::uint64_t{1} << 32;
  });
}

}  // namespace

double bf16_to_double(std::uint16_t bits) noexcept {
  return Bf16::to_double(bits);
}
double f16_to_double(std::uint16_t bits) noexcept {
  return F16::to_double(bits);
}
double f32_to_double(std::uint32_t bits) noexcept {
  return F32::to_double(bits);
}

std::uint16_t double_to_bf16(double value) noexcept {
  return static_cast<std::uint16_t>(Bf16::nearest(value));
}
std::uint16_t double_to_f16(double value) noexcept {
  return static_cast<std::uint16_t>(F16::nearest(value));
}
std::uint32_t double_to_f32(double value) noexcept {
  return static_cast<std::uint32_t>(F32::nearest(value));
}

std::uint16_t double_to_bf16_stochastic(double value, std::uint32_t random) noexcept {
  return static_cast<std::uint16_t>(Bf16::stochastic(value, random));
}
std::uint16_t double_to_f16_stochastic(double value, std::uint32_t random) noexcept {
  return static_cast<std::uint16_t>(F16::stochastic(value, random));
}
std::uint32_t double_to_f32_stochastic(double value, std::uint32_t random) noexcept {
  return static_cast<std::uint32_t>(F32::stochastic(value, random));
}

}  // namespace expo
