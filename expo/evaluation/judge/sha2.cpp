#include "expo/evaluation/judge/sha2.h"

#include <bit>
#include <cstddef>
#include <limits>
#include <span>

namespace expo {
namespace {

/// FIPS 180-4. SHA-256 has the same constants as SHA-512, cut to their upper halves: the fractional
/// parts of the square roots of the first eight primes, and of the cube roots of the first 64 or
/// 80.
constexpr std::array<std::uint64_t, 8> kInitial{
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
constexpr std::array<std::uint64_t, 80> kRound{
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};

/// What the two hashes differ in: the amounts of their rotations and shifts.
template <typename Word>
struct Amounts;
template <>
struct Amounts<std::uint32_t> {
  static constexpr std::size_t kRounds = 64;
  static constexpr std::array kSum0{2, 13, 22}, kSum1{6, 11, 25};
  static constexpr std::array kSchedule0{7, 18, 3}, kSchedule1{17, 19, 10};
};
template <>
struct Amounts<std::uint64_t> {
  static constexpr std::size_t kRounds = 80;
  static constexpr std::array kSum0{28, 34, 39}, kSum1{14, 18, 41};
  static constexpr std::array kSchedule0{1, 8, 7}, kSchedule1{19, 61, 6};
};

template <typename Word>
constexpr Word upper(std::uint64_t constant) {
  return static_cast<Word>(constant >> (64 - std::numeric_limits<Word>::digits));
}

template <typename Word>
Word sum(Word x, const std::array<int, 3>& by) {
  return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ std::rotr(x, by[2]);
}

template <typename Word>
Word schedule(Word x, const std::array<int, 3>& by) {
  return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ (x >> by[2]);
}

template <typename Word>
using State = std::array<Word, 8>;

template <typename Word>
std::array<Word, Amounts<Word>::kRounds> expand(const char* block) {
  std::array<Word, Amounts<Word>::kRounds> words{};
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t byte = 0; byte < sizeof(Word); ++byte)
      words[i] = words[i] << 8 | static_cast<unsigned char>(block[i * sizeof(Word) + byte]);
  }
  for (std::size_t i = 16; i < words.size(); ++i)
    words[i] = words[i - 16] + schedule(words[i - 15], Amounts<Word>::kSchedule0) + words[i - 7] +
               schedule(words[i - 2], Amounts<Word>::kSchedule1);
  return words;
}

template <typename Word>
void compress(State<Word>& state, const char* block) {
  const auto words = expand<Word>(block);
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word first =
        h + sum(e, Amounts<Word>::kSum1) + ((e & f) ^ (~e & g)) + upper<Word>(kRound[i]) + words[i];
    const Word second = sum(a, Amounts<Word>::kSum0) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
  }
  const State<Word> mixed{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += mixed[i];
}

/// The text's end, the padding and the length in bits, to whole blocks.
std::string padded_end(std::string_view rest, std::uint64_t length, std::size_t block) {
  std::string end(rest);
  end += '\x80';
  const std::size_t length_field = block / 8;
  while (end.size() % block != block - length_field) end += '\0';
  end.append(length_field - sizeof length, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) end += static_cast<char>(length * 8 >> shift);
  return end;
}

template <typename Word>
State<Word> hash(std::string_view text) {
  constexpr std::size_t kBlock = 16 * sizeof(Word);
  State<Word> state;
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = upper<Word>(kInitial[i]);
  const std::size_t whole = text.size() - text.size() % kBlock;
  for (std::size_t i = 0; i < whole; i += kBlock) compress(state, text.data() + i);
  const std::string end = padded_end(text.substr(whole), text.size(), kBlock);
  for (std::size_t i = 0; i < end.size(); i += kBlock) compress(state, end.data() + i);
  return state;
}

}  // namespace

std::string sha256_digits(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  for (const std::uint32_t word : hash<std::uint32_t>(text)) {
    for (int shift = 28; shift >= 0; shift -= 4) digits += kDigits[word >> shift & 15];
  }
  return digits;
}

std::array<std::uint8_t, 64> sha512(std::string_view text) {
  std::array<std::uint8_t, 64> bytes{};
  std::size_t place = 0;
  for (const std::uint64_t word : hash<std::uint64_t>(text)) {
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes[place++] = static_cast<std::uint8_t>(word >> shift);
  }
  return bytes;
}

}  // namespace expo
