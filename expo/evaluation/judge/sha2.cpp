#include "expo/evaluation/judge/sha2.h"

#include <openssl/evp.h>

#include <new>

namespace expo {
namespace {

/// Hashes into `bytes`, which has the length of the hash. It can fail only for want of memory.
void digest(std::string_view text, const EVP_MD* kind, std::uint8_t* bytes) {
  if (EVP_Digest(text.data(), text.size(), bytes, nullptr, kind, nullptr) != 1)
    throw std::bad_alloc();
}

}  // namespace

std::string sha256_digits(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::uint8_t, 32> bytes{};
  digest(text, EVP_sha256(), bytes.data());
  std::string digits;
  for (const std::uint8_t byte : bytes) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

std::array<std::uint8_t, 64> sha512(std::string_view text) {
  std::array<std::uint8_t, 64> bytes{};
  digest(text, EVP_sha512(), bytes.data());
  return bytes;
}

}  // namespace expo
