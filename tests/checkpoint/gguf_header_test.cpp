#include "expo/checkpoint/gguf/header.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/gguf_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using Shape = std::vector<std::uint64_t>;

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4_1 = 3;
constexpr std::uint32_t kQ4_K = 12;

class GgufHeaderTest : public ::testing::Test {
 protected:
  GgufHeader parse(const std::string& bytes) {
    return read_gguf_header(
        *posix_filesystem().open(folder_.write("m.gguf", bytes), Caching::buffered));
  }

  /// Expects that the file is refused with an input error that names it and contains `expected`.
  void expect_refused(const std::string& bytes, const std::string& expected) {
    try {
      parse(bytes);
      FAIL() << "accepted; expected: " << expected;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      const std::string message = error.what();
      EXPECT_NE(message.find("m.gguf"), std::string::npos) << message;
      EXPECT_NE(message.find(expected), std::string::npos) << message;
    }
  }

  TemporaryFolder folder_;
};

GgufBytes one_tensor() {
  return GgufBytes().tensor("a", {3}, kF32, float_bytes({1, 2, 3}));
}

// Well-formed files

TEST_F(GgufHeaderTest, TensorsArePlacedAndTheirDimensionsReversed) {
  GgufBytes file;
  file.tensor("a", {3, 2}, kF32, std::string(24, 'x')).tensor("b", {}, kF32, std::string(4, 'y'));
  for (const std::uint32_t version : {2U, 3U}) {
    file.version = version;
    const std::string bytes = file.bytes();
    const GgufHeader header = parse(bytes);
    EXPECT_EQ(header.version, version);
    ASSERT_EQ(header.tensors.size(), 2U);
    EXPECT_EQ(header.tensors[0].shape, (Shape{2, 3}));
    EXPECT_EQ(bytes.substr(header.tensors[0].offset, header.tensors[0].bytes),
              std::string(24, 'x'));
    EXPECT_EQ(bytes.substr(header.tensors[1].offset, header.tensors[1].bytes), "yyyy");
    EXPECT_TRUE(header.tensors[1].shape.empty());
    EXPECT_EQ(header.end, bytes.size());
  }
}

TEST_F(GgufHeaderTest, TheLastTensorNeedsNoPadding) {
  std::string bytes = one_tensor().bytes();
  bytes.resize(bytes.size() - 20);
  EXPECT_EQ(parse(bytes).tensors[0].bytes, 12U);
  bytes.pop_back();
  expect_refused(bytes, "the tensor \"a\" needs 12 bytes");
}

TEST_F(GgufHeaderTest, ZeroSizeTensorsAndVocabulariesWithoutTensorsAreAccepted) {
  const auto header =
      parse(GgufBytes().tensor("none", {0, 4}, kF32, "").tensor("a", {1}, kF32, "1234").bytes());
  EXPECT_EQ(header.tensors[0].bytes, 0U);
  EXPECT_EQ(header.tensors[0].offset, header.tensors[1].offset);
  EXPECT_TRUE(parse(GgufBytes().u32("k", 1).bytes()).tensors.empty());
}

TEST_F(GgufHeaderTest, TheAlignmentIsTheFilesOwn) {
  GgufBytes file;
  file.alignment = 8;
  file.u32("general.alignment", 8).tensor("a", {1}, kF32, "abcd").tensor("b", {1}, kF32, "efgh");
  const std::string bytes = file.bytes();
  const GgufHeader header = parse(bytes);
  EXPECT_EQ(header.alignment, 8U);
  EXPECT_EQ(header.tensors[1].offset, header.tensors[0].offset + 8);
  EXPECT_EQ(bytes.substr(header.tensors[1].offset, 4), "efgh");
}

TEST_F(GgufHeaderTest, ValuesComeBackByTypeAndRawBytesAsTheyLie) {
  const auto number = [](auto value) { return GgufBytes::number(value); };
  GgufBytes file;
  file.pair("u8", GgufType::u8, number(std::uint8_t{200}))
      .pair("i8", GgufType::i8, number(std::int8_t{-3}))
      .pair("i16", GgufType::i16, number(std::int16_t{300}))
      .pair("u64", GgufType::u64, number(~std::uint64_t{0}))
      .f32("f32", 1e-5F)
      .pair("f64", GgufType::f64, number(0.1))
      .boolean("yes", 1)
      .text("s", "ä\n")
      .texts("list", {"", "a", "bc"})
      .reals("reals", {1.5F, -2})
      .integers("ints", {7, -7})
      .texts("empty", {});
  const GgufHeader header = parse(file.bytes());
  const GgufMetadata& m = header.metadata;
  EXPECT_EQ(m.integer("u8"), 200U);
  EXPECT_EQ(m.integer("i16"), 300U);
  EXPECT_EQ(m.integer("absent"), std::nullopt);
  EXPECT_EQ(m.real("f32"), 1e-5);  // not 9.999999747378752e-06
  EXPECT_EQ(m.real("f64"), 0.1);
  EXPECT_EQ(m.boolean("yes"), true);
  EXPECT_EQ(m.string("s"), "ä\n");
  EXPECT_EQ(*m.strings("list"), (std::vector<std::string_view>{"", "a", "bc"}));
  EXPECT_TRUE(m.strings("empty")->empty());
  EXPECT_EQ(*m.reals("reals"), (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(*m.integers("ints"), (std::vector<std::int64_t>{7, -7}));
  EXPECT_EQ(m.raw(*m.find("u8")), GgufBytes::string("u8") + number(std::uint32_t{0}) + "\xC8");
  EXPECT_EQ(m.entries().front().key, "u8");
  EXPECT_THROW(m.integer("i8"), Error);   // negative
  EXPECT_THROW(m.integer("u64"), Error);  // beyond 2^63
  EXPECT_THROW(m.integer("f32"), Error);
  EXPECT_THROW(m.integer("ints"), Error);
  EXPECT_THROW(m.real("s"), Error);
  EXPECT_THROW(m.boolean("u8"), Error);
  EXPECT_THROW(m.string("list"), Error);
  EXPECT_THROW(m.strings("s"), Error);
  EXPECT_THROW(m.strings("ints"), Error);
  EXPECT_THROW(m.reals("ints"), Error);
  EXPECT_THROW(m.integers("reals"), Error);
}

// Malformed files

TEST_F(GgufHeaderTest, EveryTruncationIsRefused) {
  const std::string whole =
      GgufBytes().text("k", "value").texts("l", {"a", "b"}).tensor("a", {3}, kF32, "").bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) expect_refused(whole.substr(0, size), "");
}

TEST_F(GgufHeaderTest, OtherFilesAndVersionsAreRefused) {
  expect_refused("PK\3\4 and so on, and so on", "not a GGUF file");
  for (const std::uint32_t version : {0U, 1U, 4U, 0xFFFFFFFFU}) {
    GgufBytes file = one_tensor();
    file.version = version;
    expect_refused(file.bytes(), "is not supported, only 2 and 3");
  }
  GgufBytes file = one_tensor();
  file.version = 0x03000000;
  expect_refused(file.bytes(), "big-endian");
}

TEST_F(GgufHeaderTest, FalseCountsAreRefusedBeforeAnythingIsAllocated) {
  const std::uint64_t all = ~std::uint64_t{0};
  expect_refused(one_tensor().bytes_with_counts(all, 0), "the number of tensors");
  expect_refused(one_tensor().bytes_with_counts(1, all), "the number of metadata keys");
  expect_refused(one_tensor().bytes_with_counts(2, 0), "");
  const std::string head = GgufBytes::number(static_cast<std::uint32_t>(GgufType::string));
  expect_refused(
      GgufBytes().pair("k", GgufType::array, head + GgufBytes::number(all)).bytes() + "more",
      "the length of \"k\"");
  expect_refused(GgufBytes().pair("k", GgufType::string, GgufBytes::number(all)).bytes() + "more",
                 "the value of \"k\"");
  const std::string i64 = GgufBytes::number(static_cast<std::uint32_t>(GgufType::i64));
  expect_refused(GgufBytes()
                     .pair("k", GgufType::array, i64 + GgufBytes::number(std::uint64_t{1} << 61))
                     .bytes(),
                 "the length of \"k\"");
}

TEST_F(GgufHeaderTest, AHeaderBeyondAllReasonIsRefused) {
  const auto path = folder_.write(
      "m.gguf", GgufBytes().pair("k", GgufType::string, GgufBytes::number(kMaxGgufHeader)).bytes());
  std::filesystem::resize_file(path, kMaxGgufHeader * 2);  // sparse
  try {
    read_gguf_header(*posix_filesystem().open(path, Caching::buffered));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no header of a language model"), std::string::npos);
  }
}

TEST_F(GgufHeaderTest, WrongKeysAndValuesAreRefused) {
  expect_refused(GgufBytes().u32("", 1).bytes(), "a metadata key is empty");
  expect_refused(GgufBytes().u32("k", 1).u32("k", 2).bytes(), "\"k\" occurs twice");
  expect_refused(GgufBytes().u32("\xFF", 1).bytes(), "not UTF-8");
  expect_refused(GgufBytes().pair("k", static_cast<GgufType>(13), "1234").bytes(),
                 "the unknown type 13");
  const std::string array = GgufBytes::number(static_cast<std::uint32_t>(GgufType::array));
  expect_refused(
      GgufBytes().pair("k", GgufType::array, array + GgufBytes::number(std::uint64_t{0})).bytes(),
      "an array of arrays");
  expect_refused(GgufBytes().boolean("k", 2).bytes(), "neither 0 nor 1");
  const std::string booleans = GgufBytes::number(static_cast<std::uint32_t>(GgufType::boolean)) +
                               GgufBytes::number(std::uint64_t{3}) + std::string("\0\1\3", 3);
  expect_refused(GgufBytes().pair("k", GgufType::array, booleans).bytes(), "neither 0 nor 1");
}

TEST_F(GgufHeaderTest, WrongAlignmentsAreRefused) {
  for (const std::uint32_t alignment : {0U, 3U, 33U, 1U << 21, 1U << 31})
    expect_refused(GgufBytes().u32("general.alignment", alignment).bytes(), "a power of two");
  expect_refused(GgufBytes().text("general.alignment", "32").bytes(), "general.alignment is not");
}

TEST_F(GgufHeaderTest, WrongNamesAreRefused) {
  const auto named = [](const std::string& name) {
    return GgufBytes().tensor(name, {1}, kF32, "abcd").bytes();
  };
  expect_refused(named(""), "no name");
  expect_refused(named(std::string(64, 'x')), "63 bytes");
  EXPECT_EQ(parse(named(std::string(63, 'x'))).tensors.size(), 1U);
  expect_refused(named(std::string("a\0b", 3)), "without zeros");
  expect_refused(named("\xC0\x80"), "63 bytes of UTF-8");
  expect_refused(GgufBytes().tensor("a", {1}, kF32, "abcd").tensor("a", {1}, kF32, "abcd").bytes(),
                 "\"a\" occurs twice");
}

TEST_F(GgufHeaderTest, WrongShapesAreRefused) {
  const std::uint64_t huge = std::uint64_t{1} << 63;
  expect_refused(GgufBytes().tensor("a", {1, 1, 1, 1, 1}, kF32, "abcd").bytes(), "5 dimensions");
  for (const Shape& shape : std::vector<Shape>{
           {2, ~std::uint64_t{0} - 1}, {2, huge - 1}, {huge, 2, 0}, {0, huge, 2}, {huge}})
    expect_refused(GgufBytes().tensor("a", shape, kF32, "").bytes(),
                   "more elements than are possible");
  expect_refused(GgufBytes().tensor("a", {std::uint64_t{1} << 40}, kF32, "abcd").bytes(),
                 "the tensor \"a\" needs");
}

TEST_F(GgufHeaderTest, WrongTypesAreRefusedByName) {
  expect_refused(GgufBytes().tensor("a", {256}, kQ4_K, std::string(144, 'x')).bytes(),
                 "the tensor \"a\" is stored as Q4_K");
  expect_refused(GgufBytes().tensor("a", {1}, 4, "x").bytes(), "the unknown type 4");
  expect_refused(GgufBytes().tensor("a", {1}, 4096, "x").bytes(), "the unknown type 4096");
  expect_refused(GgufBytes().tensor("a", {33, 32}, kQ4_1, std::string(660, 'x')).bytes(),
                 "not whole blocks of 32");
}

TEST_F(GgufHeaderTest, HolesOverlapsAndAliasesAreRefused) {
  const auto second_at = [](std::uint64_t offset) {
    return GgufBytes()
               .tensor("a", {16}, kF32, std::string(64, 'x'))
               .tensor_at("b", {1}, kF32, offset)
               .bytes() +
           std::string(256, 'z');
  };
  EXPECT_EQ(parse(second_at(64)).tensors.size(), 2U);
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{32}, std::uint64_t{63},
                                     std::uint64_t{96}, ~std::uint64_t{0}})
    expect_refused(second_at(offset), "the tensor \"b\" begins at byte");
  expect_refused(GgufBytes().tensor_at("a", {1}, kF32, 32).bytes() + std::string(256, 'z'),
                 "the tensor \"a\" begins at byte 32");
  // A tensor without values has a stray offset.
  expect_refused(GgufBytes().tensor_at("a", {0}, kF32, 32).bytes() + std::string(256, 'z'),
                 "the tensor \"a\" begins at byte 32");
}

}  // namespace
}  // namespace expo
