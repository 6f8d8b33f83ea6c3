#include "expo/core/byte_size.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"

namespace expo {
namespace {

TEST(ByteSize, CountsInThousandsAsHuggingFaceDoes) {
  EXPECT_EQ(parse_byte_size("5GB"), 5'000'000'000u);
  EXPECT_EQ(parse_byte_size("500MB"), 500'000'000u);
  EXPECT_EQ(parse_byte_size("7KB"), 7'000u);
  EXPECT_EQ(parse_byte_size("2T"), 2'000'000'000'000u);
  EXPECT_EQ(parse_byte_size("123"), 123u);
  EXPECT_EQ(parse_byte_size("123 B"), 123u);
}

TEST(ByteSize, CountsInPowersOfTwoWhereAsked) {
  EXPECT_EQ(parse_byte_size("2GiB"), 2'147'483'648u);
  EXPECT_EQ(parse_byte_size("1KiB"), 1024u);
  EXPECT_EQ(parse_byte_size("3mib"), 3'145'728u);
}

TEST(ByteSize, TakesAnyCaseSpacesAndFractions) {
  EXPECT_EQ(parse_byte_size(" 5 gb "), 5'000'000'000u);
  EXPECT_EQ(parse_byte_size("1.5GB"), 1'500'000'000u);
  EXPECT_EQ(parse_byte_size("0.000001MB"), 1u);
  EXPECT_EQ(parse_byte_size("0.5KiB"), 512u);
  EXPECT_EQ(parse_byte_size("0.999999TiB"), 1'099'510'528'264u);  // floor(999999 * 2^40 / 10^6)
}

TEST(ByteSize, ReachesTheEndOf64Bits) {
  EXPECT_EQ(parse_byte_size("18446744073709551615"), ~std::uint64_t{0});
  EXPECT_EQ(parse_byte_size("16777215TiB"), 16'777'215u * (std::uint64_t{1} << 40));
}

class NotASize : public testing::TestWithParam<const char*> {};

TEST_P(NotASize, IsRefusedWithAnExample) {
  try {
    parse_byte_size(GetParam());
    FAIL() << "\"" << GetParam() << "\" was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    EXPECT_NE(std::string(error.what()).find("2GiB"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(ByteSize, NotASize,
                         testing::Values("", "GB", "-5GB", "5XB", "5GBB", "0", "0.0GB", ".5GB",
                                         "5.GB", "0.0000001GB", "1.2.3GB", "18446744073709551616",
                                         "16777216TiB", "99999999999999999999GB", "1e3", "0x10",
                                         "5G B", "inf", "0.4B"));

}  // namespace
}  // namespace expo
