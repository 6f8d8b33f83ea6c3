#include "expo/evaluation/judge/python_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "expo/evaluation/judge/sha2.h"

namespace expo {
namespace {

using namespace std::string_view_literals;

constexpr std::array kSpaces{
    "\t"sv,           "\n"sv,           "\v"sv,           "\f"sv,           "\r"sv,
    "\x1c"sv,         "\x1d"sv,         "\x1e"sv,         "\x1f"sv,         " "sv,
    "\xc2\x85"sv,     "\xc2\xa0"sv,     "\xe1\x9a\x80"sv, "\xe2\x80\x80"sv, "\xe2\x80\x81"sv,
    "\xe2\x80\x82"sv, "\xe2\x80\x83"sv, "\xe2\x80\x84"sv, "\xe2\x80\x85"sv, "\xe2\x80\x86"sv,
    "\xe2\x80\x87"sv, "\xe2\x80\x88"sv, "\xe2\x80\x89"sv, "\xe2\x80\x8a"sv, "\xe2\x80\xa8"sv,
    "\xe2\x80\xa9"sv, "\xe2\x80\xaf"sv, "\xe2\x81\x9f"sv, "\xe3\x80\x80"sv};

/// The Mersenne Twister MT19937 as CPython seeds it, up to its first number.
class Twister {
 public:
  explicit Twister(const std::vector<std::uint32_t>& key) {
    fill(19650218);
    std::size_t i = 1;
    for (std::size_t k = 0; k < std::max(kSize, key.size()); ++k) {
      const std::size_t j = k % key.size();
      state_[i] = (state_[i] ^ (mixed(i) * 1664525U)) + key[j] + static_cast<std::uint32_t>(j);
      advance(i);
    }
    for (std::size_t k = 1; k < kSize; ++k) {
      state_[i] = (state_[i] ^ (mixed(i) * 1566083941U)) - static_cast<std::uint32_t>(i);
      advance(i);
    }
    state_[0] = 0x80000000U;
  }

  std::uint32_t first() const {
    const std::uint32_t joined = (state_[0] & 0x80000000U) | (state_[1] & 0x7fffffffU);
    std::uint32_t y = state_[397] ^ (joined >> 1) ^ ((joined & 1U) * 0x9908b0dfU);
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
  }

 private:
  static constexpr std::size_t kSize = 624;

  std::uint32_t mixed(std::size_t i) const { return state_[i - 1] ^ (state_[i - 1] >> 30); }
  void fill(std::uint32_t seed) {
    state_[0] = seed;
    for (std::size_t i = 1; i < kSize; ++i)
      state_[i] = 1812433253U * mixed(i) + static_cast<std::uint32_t>(i);
  }
  void advance(std::size_t& i) {
    if (++i < kSize) return;
    state_[0] = state_[kSize - 1];
    i = 1;
  }

  std::array<std::uint32_t, kSize> state_{};
};

/// The seed's bytes and their SHA-512 as one integer, the most significant byte first, in words of
/// 32 bits, the least significant first and without zeros at its end.
std::vector<std::uint32_t> seed_words(std::string_view seed) {
  std::string bytes(seed);
  for (const std::uint8_t byte : sha512(seed)) bytes += static_cast<char>(byte);
  std::vector<std::uint32_t> words((bytes.size() + 3) / 4);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - 1 - i]);
    words[i / 4] |= std::uint32_t{byte} << (i % 4 * 8);
  }
  while (words.size() > 1 && words.back() == 0) words.pop_back();
  return words;
}

/// The size of the first space that `matches`, 0 if none does.
template <typename Matches>
std::size_t size_of_first(const Matches& matches) {
  const auto found = std::ranges::find_if(kSpaces, matches);
  return found == kSpaces.end() ? 0 : found->size();
}

}  // namespace

std::string_view python_stripped(std::string_view text) {
  const auto at_begin = [&](std::string_view space) { return text.starts_with(space); };
  const auto at_end = [&](std::string_view space) { return text.ends_with(space); };
  while (const std::size_t size = size_of_first(at_begin)) text.remove_prefix(size);
  while (const std::size_t size = size_of_first(at_end)) text.remove_suffix(size);
  return text;
}

bool python_coin(std::string_view seed) {
  // choices() takes the item floor(2 · random()), and random() begins with the first number's bits.
  return Twister(seed_words(seed)).first() >> 31 != 0;
}

}  // namespace expo
