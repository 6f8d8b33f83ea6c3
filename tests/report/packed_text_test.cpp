#include "expo/report/packed_text.h"

#include <gtest/gtest.h>

#include <random>

#include "report/unpacked.h"

namespace expo {
namespace {

std::string packed(std::string_view text, std::size_t piece) {
  std::string result;
  const TextSink sink = [&](std::string_view more) { result += more; };
  PackedText packing(sink);
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    packing.add(text.substr(0, piece));
  packing.finish();
  return result;
}

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) text += static_cast<char>(random() & 0xFFU);
  return text;
}

TEST(PackedText, IsBase64OfGzip) {
  for (const std::size_t size : {0, 1, 2, 3, 4, 5, 100, 300'000, 1'000'000}) {
    const std::string text = noise(size);
    const std::string result = packed(text, size + 1);
    EXPECT_EQ(result.size() % 4, 0U);
    EXPECT_EQ(inflated(decoded_base64(result)), text) << size;
  }
}

TEST(PackedText, IsTheSameForAllPieces) {
  const std::string text = noise(700'000) + std::string(700'000, 'a');
  const std::string whole = packed(text, text.size());
  for (const std::size_t piece : {7, 1000, 262'144, 262'145})
    EXPECT_EQ(packed(text, piece), whole) << piece;
}

TEST(PackedText, TellsNoTimeAndNoName) {
  const std::string bytes = decoded_base64(packed("text", 4));
  ASSERT_GE(bytes.size(), 10U);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\x1f\x8b\x08\x00", 4));  // no name, no comment
  EXPECT_EQ(bytes.substr(4, 4), std::string(4, '\0'));                // no time
}

}  // namespace
}  // namespace expo
