// Malformed inputs of the safetensors format, each composed by hand. The rules are those of the
// format's README; where the reference implementation is lax (duplicate names, unknown fields), the
// stricter reading is expected.
#include "expo/checkpoint/safetensors/header.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

SafetensorsHeader read(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", bytes);
  return read_safetensors_header(*posix_filesystem().open(path, Caching::buffered));
}

/// One entry of four bytes.
std::string entry(const std::string& name, const std::string& offsets = "[0,4]",
                  const std::string& shape = "[2]", const std::string& dtype = "\"BF16\"") {
  return "\"" + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string file(const std::string& entries, std::size_t data = 4) {
  return safetensors_bytes("{" + entries + "}", std::string(data, '\0'));
}

struct Malformed {
  std::string name;
  std::string bytes;
  std::string message;  ///< a part that must occur
};

class MalformedHeader : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedHeader, IsRefusedWithTheFileAndTheReason) {
  try {
    read(GetParam().bytes);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    const std::string message = error.what();
    EXPECT_NE(message.find("model.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  }
}

std::string nested(int depth) {
  return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']') + "}";
}

std::vector<Malformed> sizes() {
  std::vector<Malformed> cases;
  for (std::size_t size = 0; size < 8; ++size) {
    cases.push_back({"size_" + std::to_string(size), std::string(size, '\0'), "at least 8"});
  }
  cases.push_back({"header_of_nothing", safetensors_bytes(0, "", ""), "'{'"});
  cases.push_back(
      {"header_longer_than_file", safetensors_bytes(100, "{}", ""), "claims 100 bytes"});
  cases.push_back(
      {"header_over_the_limit", safetensors_bytes(100'000'001, "{}", ""), "claims 100000001"});
  cases.push_back({"header_of_2_64", safetensors_bytes(~std::uint64_t{0}, "{}", ""),
                   "claims 18446744073709551615"});
  return cases;
}

std::vector<Malformed> texts() {
  return {
      {"not_utf8", file(entry("\xff\xfe")), "not valid JSON"},
      {"byte_order_mark", safetensors_bytes("\xEF\xBB\xBF{}", ""), "'{'"},
      {"nul_padding", safetensors_bytes(std::string("{}\0\0", 4), ""), "NUL"},
      {"trailing_json", safetensors_bytes("{}{}", ""), "not valid JSON"},
      {"comment", safetensors_bytes("{/*x*/}", ""), "not valid JSON"},
      {"trailing_comma", file(entry("a") + ","), "not valid JSON"},
      {"nested_300", safetensors_bytes(nested(300), ""), "nested deeper"},
      {"nested_200000", safetensors_bytes(nested(200'000), ""), "nested deeper"},
      {"top_level_list", safetensors_bytes("[]", ""), "'{'"},
      {"top_level_null", safetensors_bytes("null", ""), "'{'"},
      {"metadata_null", safetensors_bytes("{\"__metadata__\":null}", ""), "__metadata__"},
      {"metadata_number", safetensors_bytes("{\"__metadata__\":{\"a\":1}}", ""), "__metadata__"},
  };
}

std::vector<Malformed> fields() {
  return {
      {"entry_null", file("\"a\":null"), "\"a\""},
      {"entry_list", file("\"a\":[]"), "\"a\""},
      {"no_dtype", file("\"a\":{\"shape\":[2],\"data_offsets\":[0,4]}"), "\"dtype\" is missing"},
      {"no_shape", file("\"a\":{\"dtype\":\"BF16\",\"data_offsets\":[0,4]}"),
       "\"shape\" is missing"},
      {"no_offsets", file("\"a\":{\"dtype\":\"BF16\",\"shape\":[2]}"),
       "\"data_offsets\" is missing"},
      {"dtype_null", file(entry("a", "[0,4]", "[2]", "null")), "dtype"},
      {"dtype_unknown", file(entry("a", "[0,4]", "[2]", "\"Q4\"")), "dtype"},
      {"dtype_lower_case", file(entry("a", "[0,4]", "[2]", "\"bf16\"")), "dtype"},
      {"shape_object", file(entry("a", "[0,4]", "{}")), "shape"},
      {"one_offset", file(entry("a", "[0]")), "1 numbers"},
      {"three_offsets", file(entry("a", "[0,4,8]")), "3 numbers"},
      {"unknown_field",
       file("\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4],\"x\":1}"),
       "unknown field"},
      {"empty_name", file(entry("")), "must not be empty"},
      {"name_with_nul", file(entry("a\\u0000")), "NUL"},
  };
}

std::vector<Malformed> numbers() {
  return {
      {"offset_negative", file(entry("a", "[-4,0]")), "-4"},
      {"offset_float", file(entry("a", "[0,4.0]")), "4.0"},
      {"offset_exponent", file(entry("a", "[0,4e0]")), "data_offsets"},
      {"offset_leading_zero", file(entry("a", "[0,04]")), "not valid JSON"},
      {"offset_string", file(entry("a", "[0,\"4\"]")), "\"4\""},
      {"offset_2_64", file(entry("a", "[0,18446744073709551616]")), "data_offsets"},
      {"shape_negative", file(entry("a", "[0,4]", "[-2]")), "-2"},
      {"shape_float", file(entry("a", "[0,4]", "[2.0]")), "shape"},
      {"shape_true", file(entry("a", "[0,4]", "[true]")), "true"},
      {"overflow_product", file(entry("a", "[0,4]", "[2,18446744073709551614]")), "2^64"},
      {"overflow_bits", file(entry("a", "[0,4]", "[2,9223372036854775807]")), "2^64"},
      {"overflow_before_zero", file(entry("a", "[0,0]", "[18446744073709551615,2,0]"), 0), "2^64"},
      {"overflow_after_zero", file(entry("a", "[0,0]", "[0,18446744073709551615,2]"), 0), "2^64"},
      {"half_bytes", file(entry("a", "[0,1]", "[1]", "\"F4\""), 1), "a whole number of bytes"},
      {"size_differs", file(entry("a", "[0,4]", "[3]")), "takes 6"},
  };
}

std::vector<Malformed> coverage() {
  return {
      {"duplicate", file(entry("a") + "," + entry("a", "[4,8]"), 8), "twice"},
      {"duplicate_by_escape", file(entry("a") + "," + entry("\\u0061", "[4,8]"), 8), "twice"},
      {"duplicate_metadata", safetensors_bytes("{\"__metadata__\":{},\"__metadata__\":{}}", ""),
       "twice"},
      {"duplicate_field",
       file("\"a\":{\"dtype\":\"BF16\",\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}"),
       "twice"},
      {"hole_at_start", file(entry("a", "[4,8]"), 8), "hole"},
      {"hole_in_the_middle", file(entry("a") + "," + entry("b", "[8,12]"), 12), "hole"},
      {"overlap", file(entry("a") + "," + entry("b", "[2,6]"), 6), "overlap"},
      {"alias", file(entry("a") + "," + entry("b", "[0,4]"), 4), "overlap"},
      {"reversed", file(entry("a", "[4,0]")), "backwards"},
      {"trailing_byte", file(entry("a"), 5), "stray bytes"},
      {"missing_byte", file(entry("a"), 3), "cut short"},
      {"stray_offset_of_an_empty_tensor", file(entry("a") + "," + entry("b", "[2,2]", "[0]"), 4),
       "\"b\""},
  };
}

std::string case_name(const ::testing::TestParamInfo<Malformed>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Sizes, MalformedHeader, ::testing::ValuesIn(sizes()), case_name);
INSTANTIATE_TEST_SUITE_P(Texts, MalformedHeader, ::testing::ValuesIn(texts()), case_name);
INSTANTIATE_TEST_SUITE_P(Fields, MalformedHeader, ::testing::ValuesIn(fields()), case_name);
INSTANTIATE_TEST_SUITE_P(Numbers, MalformedHeader, ::testing::ValuesIn(numbers()), case_name);
INSTANTIATE_TEST_SUITE_P(Coverage, MalformedHeader, ::testing::ValuesIn(coverage()), case_name);

TEST(SafetensorsHeader, AcceptsUnorderedEntriesEmptyTensorsAndScalars) {
  const SafetensorsHeader header =
      read(file(entry("late", "[4,8]") + "," + entry("empty", "[4,4]", "[0,7]") + "," +
                    entry("scalar", "[0,4]", "[]", "\"F32\""),
                8));
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].name, "scalar");
  EXPECT_TRUE(header.entries[0].shape.empty());
  EXPECT_EQ(header.entries[1].name, "empty");
  EXPECT_EQ(header.entries[2].name, "late");
}

TEST(SafetensorsHeader, AcceptsDataAtAnOddOffset) {
  const std::string text = "{" + entry("a") + "} ";
  EXPECT_EQ(read(safetensors_bytes(text, "abcd")).data_offset, 8 + text.size());
}

TEST(SafetensorsHeader, KnowsEveryTypeOfTheFormat) {
  for (const char* name :
       {"BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2", "F8_E4M3",
        "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",     "U16", "F16", "BF16",    "I32",
        "U32",     "F32",         "C64",         "F64",     "I64", "U64"}) {
    const auto dtype = dtype_from_safetensors(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    const std::uint64_t bytes = *byte_size(*dtype, 4);
    const auto header = read(file(
        entry("a", "[0," + std::to_string(bytes) + "]", "[4]", "\"" + std::string(name) + "\""),
        bytes));
    EXPECT_EQ(header.entries.at(0).end, bytes) << name;
  }
}

}  // namespace
}  // namespace expo
