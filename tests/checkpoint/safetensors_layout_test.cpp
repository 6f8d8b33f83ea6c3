#include <gtest/gtest.h>

#include <cstring>

#include "expo/checkpoint/output_layout.h"
#include "expo/checkpoint/safetensors/header.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

OutputTensor tensor(const std::string& name, std::uint64_t elements, DType dtype = DType::bf16) {
  return {name, {elements}, dtype, Encoding::plain};
}

/// Parses a laid-out file with the reader's checks.
SafetensorsHeader parse(const OutputFile& file) {
  return parse_safetensors_header(std::string_view(file.head).substr(8),
                                  file.size - file.head.size(), file.name);
}

TEST(SafetensorsLayout, OneShardHasThePlainNameAndNoIndex) {
  const auto layout = layout_safetensors({tensor("a", 4), tensor("b", 2)}, 1000);
  ASSERT_EQ(layout.files.size(), 1u);
  EXPECT_EQ(layout.files[0].name, "model.safetensors");
  EXPECT_TRUE(layout.index_name.empty());
  const auto header = parse(layout.files[0]);
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[1].begin, 8u);
  EXPECT_EQ(layout.files[0].pieces[1].offset, layout.files[0].head.size() + 8);
}

TEST(SafetensorsLayout, DataStartsOnAPageAndTheLengthIsTrue) {
  const auto layout = layout_safetensors({tensor("a", 4)}, 1000);
  const std::string& head = layout.files[0].head;
  std::uint64_t length = 0;
  std::memcpy(&length, head.data(), 8);
  EXPECT_EQ(length + 8, head.size());
  EXPECT_EQ(head.size() % 4096, 0u);
}

TEST(SafetensorsLayout, FillsShardsGreedilyInTheGivenOrder) {
  const auto layout =
      layout_safetensors({tensor("z", 4), tensor("a", 4), tensor("m", 8), tensor("b", 1)}, 16);
  ASSERT_EQ(layout.files.size(), 3u);
  EXPECT_EQ(layout.files[0].name, "model-00001-of-00003.safetensors");
  EXPECT_EQ(layout.files[0].pieces.size(), 2u);
  const Json index = parse_json(layout.index_text, "index");
  EXPECT_EQ(index["metadata"]["total_size"], 34);
  EXPECT_EQ(index["weight_map"]["b"], "model-00003-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"].begin().key(), "z");
}

TEST(SafetensorsLayout, ATensorLargerThanAShardGetsOneOfItsOwn) {
  const auto layout = layout_safetensors({tensor("a", 1), tensor("big", 100), tensor("b", 1)}, 16);
  ASSERT_EQ(layout.files.size(), 3u);
  EXPECT_EQ(layout.files[1].pieces.size(), 1u);
}

TEST(SafetensorsLayout, WiderTypesComeFirstSoThatEveryTensorIsAligned) {
  const auto layout = layout_safetensors(
      {tensor("odd", 3, DType::u8), tensor("half", 3), tensor("wide", 3, DType::f64)}, 1000);
  for (const OutputPiece& piece : layout.files[0].pieces) {
    const DType types[] = {DType::u8, DType::bf16, DType::f64};
    EXPECT_EQ(piece.offset % byte_width(types[piece.tensor]), 0u);
  }
  EXPECT_EQ(parse(layout.files[0]).entries[0].name, "wide");
}

TEST(SafetensorsLayout, RefusesNamesThatTheFormatCannotHold) {
  EXPECT_THROW(layout_safetensors({tensor("__metadata__", 1)}, 100), Error);
  EXPECT_THROW(layout_safetensors({tensor("", 1)}, 100), Error);
  EXPECT_THROW(layout_safetensors({tensor("a", 1), tensor("a", 1)}, 100), Error);
}

void expect_refusal(const std::vector<OutputTensor>& tensors, const std::string& reason) {
  try {
    layout_safetensors(tensors, std::uint64_t{5'000'000'000});
    ADD_FAILURE() << "accepted: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(SafetensorsLayout, RefusesSizesThatWrapAround) {
  const std::uint64_t quarter = std::uint64_t{1} << 59;  // elements of bf16: 2^60 bytes
  EXPECT_NO_THROW(layout_safetensors({tensor("a", quarter)}, 1));
  expect_refusal(
      {tensor("a", quarter), tensor("b", quarter), tensor("c", quarter), tensor("d", quarter)},
      "up to \"d\" take 2^62 bytes");
  expect_refusal({tensor("a", std::uint64_t{1} << 61, DType::f64)}, "\"a\" of shape");
  expect_refusal({{"a", {std::uint64_t{1} << 33, std::uint64_t{1} << 33}, DType::u8}},
                 "\"a\" of shape");
}

TEST(OutputTensor, RefusesASizeThatWrapsAround) {
  const OutputTensor fits{"a", {std::uint64_t{1} << 60}, DType::f32, Encoding::q8_0};
  const OutputTensor wraps{"a", {(std::uint64_t{1} << 59) - 1, 32}, DType::f32, Encoding::q8_0};
  EXPECT_EQ(fits.bytes(), (std::uint64_t{1} << 55) * 34);
  EXPECT_THROW(wraps.bytes(), Error);
  EXPECT_THROW(tensor("a", std::uint64_t{1} << 61, DType::f64).bytes(), Error);
}

TEST(SafetensorsLayout, RefusesAHeaderOverTheLimit) {
  std::vector<OutputTensor> tensors;
  for (int i = 0; i < 110; ++i)
    tensors.push_back(tensor(std::string(1'000'000, 'a') + std::to_string(i), 1));
  EXPECT_THROW(layout_safetensors(tensors, 1'000'000), Error);
}

}  // namespace
}  // namespace expo
