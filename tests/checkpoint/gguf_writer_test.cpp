#include "expo/checkpoint/gguf/writer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "expo/checkpoint/gguf/header.h"
#include "expo/core/error.h"
#include "support/gguf_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

class GgufWriterTest : public ::testing::Test {
 protected:
  OutputLayout lay_out(const std::vector<OutputTensor>& tensors,
                       const GgufBytes& source = GgufBytes().text("general.name", "x")) {
    return layout_gguf(posix_filesystem(), folder_.write("source.gguf", source.bytes()), tensors,
                       "out.gguf");
  }

  /// Writes the layout with zeros for values, and reads the header again.
  GgufHeader written(const OutputLayout& layout) {
    std::string bytes = layout.files.at(0).head;
    bytes.resize(layout.files.at(0).size);
    const auto path = folder_.write("out.gguf", bytes);
    return read_gguf_header(*posix_filesystem().open(path, Caching::buffered));
  }

  void expect_refused(const OutputTensor& tensor, const std::string& expected) {
    try {
      lay_out({tensor});
      FAIL() << "accepted; expected: " << expected;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }

  TemporaryFolder folder_;
};

OutputTensor q8_0(const std::string& name, const std::vector<std::uint64_t>& shape) {
  return {name, shape, DType::f32, Encoding::q8_0};
}

TEST_F(GgufWriterTest, TheReaderFindsEveryTensorWhereThePieceIs) {
  const std::vector<OutputTensor> tensors = {{"a", {3, 2}, DType::f16, Encoding::plain},
                                             {"b", {}, DType::f32, Encoding::plain},
                                             {"c", {0, 5}, DType::bf16, Encoding::plain},
                                             q8_0("d", {2, 64}),
                                             {"e", {1, 2, 3, 4}, DType::bf16, Encoding::plain}};
  const OutputLayout layout = lay_out(tensors);
  EXPECT_TRUE(layout.index_name.empty());
  ASSERT_EQ(layout.files.size(), 1U);
  const OutputFile& file = layout.files[0];
  EXPECT_EQ(file.name, "out.gguf");
  const GgufHeader header = written(layout);
  EXPECT_EQ(header.version, 3U);
  EXPECT_EQ(header.end, file.size);
  ASSERT_EQ(header.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(header.tensors[i].name, tensors[i].name);
    EXPECT_EQ(header.tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(file.pieces[i].tensor, i);
    EXPECT_EQ(header.tensors[i].offset, file.pieces[i].offset);
    EXPECT_EQ(header.tensors[i].bytes, file.pieces[i].bytes);
    EXPECT_EQ(file.pieces[i].offset % 32, 0U);
  }
  EXPECT_EQ(header.tensors[3].format.name, "Q8_0");
  EXPECT_EQ(header.tensors[3].bytes, 4U * 34);
}

TEST_F(GgufWriterTest, MetadataIsTakenOverInOrderAndVersion2BecomesVersion3) {
  GgufBytes source;
  source.version = 2;
  source.text("general.architecture", "strange")
      .u32("general.file_type", 15)
      .texts("list", {"a", "", "ä"})
      .pair("raw", GgufType::f64, GgufBytes::number(0.1));
  const auto keys = [](const GgufHeader& header) {
    std::vector<std::string> result;
    for (const GgufEntry& entry : header.metadata.entries()) result.push_back(entry.key);
    return result;
  };
  const OutputTensor matrix{"m", {4, 32}, DType::bf16, Encoding::plain};
  const OutputTensor norm{"n", {32}, DType::f32, Encoding::plain};
  const GgufHeader header = written(lay_out({norm, matrix}, source));
  EXPECT_EQ(header.version, 3U);
  EXPECT_EQ(keys(header),
            (std::vector<std::string>{"general.architecture", "general.file_type", "list", "raw"}));
  EXPECT_EQ(header.metadata.integer("general.file_type"), 32U);  // mostly BF16
  EXPECT_EQ(header.metadata.real("raw"), 0.1);
  EXPECT_EQ(header.metadata.strings("list")->at(2), "ä");
  const GgufHeader quantised = written(lay_out({norm, q8_0("m", {4, 32})}, source));
  EXPECT_EQ(keys(quantised).back(), "general.quantization_version");
  EXPECT_EQ(quantised.metadata.integer("general.quantization_version"), 2U);
  EXPECT_EQ(quantised.metadata.integer("general.file_type"), 7U);
}

TEST_F(GgufWriterTest, TheFileTypeIsTrueAlsoWhereTheSourceHasNone) {
  const std::vector<std::pair<DType, std::uint64_t>> types = {
      {DType::f32, 0}, {DType::f16, 1}, {DType::bf16, 32}};
  for (const auto& [type, number] : types) {
    const GgufHeader header = written(lay_out({{"m", {4, 4}, type, Encoding::plain}}));
    EXPECT_EQ(header.metadata.integer("general.file_type"), number);
    EXPECT_EQ(header.metadata.find("general.quantization_version"), nullptr);
  }
}

TEST_F(GgufWriterTest, TheSourcesAlignmentHolds) {
  const OutputLayout layout =
      lay_out({{"a", {1}, DType::f32, Encoding::plain}, {"b", {1}, DType::f32, Encoding::plain}},
              GgufBytes().u32("general.alignment", 256));
  EXPECT_EQ(layout.files[0].pieces[0].offset % 256, 0U);
  EXPECT_EQ(layout.files[0].pieces[1].offset, layout.files[0].pieces[0].offset + 256);
  EXPECT_EQ(written(layout).alignment, 256U);
}

TEST_F(GgufWriterTest, WhatTheFormatCannotHoldIsRefused) {
  for (const DType type : {DType::f64, DType::i32, DType::u8, DType::f8_e4m3})
    expect_refused({"t", {4}, type, Encoding::plain}, "GGUF output offers F32, F16, BF16 and Q8_0");
  expect_refused(q8_0("t", {32, 33}), "not multiples of 32");
  expect_refused(q8_0("t", {}), "not multiples of 32");
  expect_refused({std::string(64, 'x'), {4}, DType::f32, Encoding::plain}, "63 bytes");
  expect_refused({"", {4}, DType::f32, Encoding::plain}, "63 bytes");
  expect_refused({"t", {1, 1, 1, 1, 1}, DType::f32, Encoding::plain}, "4 dimensions");
  EXPECT_THROW(
      lay_out({{"t", {4}, DType::f32, Encoding::plain}, {"t", {4}, DType::f32, Encoding::plain}}),
      Error);
}

TEST_F(GgufWriterTest, RefusesSizesThatWrapAround) {
  const std::uint64_t quarter = std::uint64_t{1} << 60;  // bytes; four for each value
  std::vector<OutputTensor> tensors;
  for (const char* name : {"a", "b", "c", "d", "e"})
    tensors.push_back({name, {quarter / 4}, DType::f32, Encoding::plain});
  try {
    lay_out(tensors);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_NE(std::string(error.what()).find("up to \"d\""), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace expo
