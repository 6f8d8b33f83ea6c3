#include "expo/core/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "support/contains.h"

namespace expo {
namespace {

std::string refusal(std::string_view text, Json (*parse)(std::string_view, std::string_view, int)) {
  try {
    parse(text, "config.json", 128);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

std::string strict_refusal(std::string_view text) {
  return refusal(text, parse_json);
}

TEST(Json, SaysWhereANumberIsThatJsonHasNot) {
  const std::string message = strict_refusal(
      "{\n  \"a\": 1,\n  \"rope\": {\"ä\": [0, 1], \"factors\": [1.5, {\"x\": 2}, NaN]}\n}\n");
  EXPECT_TRUE(
      message.starts_with("config.json: NaN at line 3, column 52 (rope.factors[2]) is not "
                          "JSON"))
      << message;
  EXPECT_TRUE(contains(message, "json.dumps"));
  EXPECT_TRUE(contains(message, "null"));
  EXPECT_FALSE(contains(message, "damaged"));
}

TEST(Json, NamesEveryWordOfPythons) {
  EXPECT_TRUE(contains(strict_refusal("{\"a\": Infinity}"), ": Infinity at column 7 (a) is not"));
  EXPECT_TRUE(contains(strict_refusal("{\"a\":-Infinity}"), ": -Infinity at column 6 (a) is not"));
  EXPECT_TRUE(contains(strict_refusal("NaN"), ": NaN at column 1 is not"));
  EXPECT_TRUE(contains(strict_refusal("[1,\nNaN\n]"), ": NaN at line 2, column 1 ([1]) is not"));
  EXPECT_TRUE(contains(strict_refusal("[[2], NaN"), ": NaN at column 7 ([1]) is not"));
  EXPECT_TRUE(contains(strict_refusal("{\"a\": 1, NaN: 1}"), ": NaN at column 10 is not"));
}

TEST(Json, CallsOtherWordsWhatTheyAre) {
  for (const char* text : {"{\"a\": nan}", "{\"a\": NaNs}", "{\"a\": inf}", "{\"a\": Infinity1}",
                           "{\"a\": +Infinity}", "{\"a\": \"NaN}", "{\"a\": NAN}"}) {
    EXPECT_TRUE(contains(strict_refusal(text), "not valid JSON at byte")) << text;
    EXPECT_NE(refusal(text, parse_python_json), "nothing was refused") << text;
  }
}

TEST(Json, AKeyOfAnyLengthMakesAShortMessage) {
  const std::string key(100'000, 'k');
  EXPECT_LT(strict_refusal("{\"" + key + "\": NaN}").size(), 500U);
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += "ä";
  EXPECT_TRUE(contains(strict_refusal("{\"" + wide + "\": NaN}"), "ä…)"));
}

TEST(PythonJson, TakesNumbersThatJsonHasNot) {
  const Json value = parse_python_json(
      R"({"a": NaN, "b": [1, Infinity, [], [-Infinity ]], "s": "NaN [ \" Infinity", "n": null})",
      "row");
  EXPECT_TRUE(std::isnan(value.at("a").get<double>()));
  EXPECT_EQ(value.at("b").at(1).get<double>(), INFINITY);
  EXPECT_EQ(value.at("b").at(2), Json::array());
  EXPECT_EQ(value.at("b").at(3).at(0).get<double>(), -INFINITY);
  EXPECT_EQ(value.at("s"), "NaN [ \" Infinity");
  EXPECT_EQ(compact_json(value),
            R"({"a":null,"b":[1,null,[],[null]],"s":"NaN [ \" Infinity","n":null})");
}

TEST(PythonJson, IsOtherwiseAsStrict) {
  for (const char* text :
       {"{\"a\": NaN,}", "{\"a\": NaN, \"a\": 1}", "{NaN: 1}", "[NaN NaN]", "[NaN, 1", "[NaN] x",
        "[NaN, // no\n1]", "\xEF\xBB\xBF[NaN]", "[NaN, 01]", "[1NaN]", "[NaN[1]]", "[NaN, 'a']"}) {
    EXPECT_NE(refusal(text, parse_python_json), "nothing was refused") << text;
  }
  const std::string deep = std::string(129, '[') + "NaN" + std::string(129, ']');
  EXPECT_TRUE(contains(refusal(deep, parse_python_json), "nested deeper"));
  // A number is no level of its own.
  const std::string allowed = std::string(128, '[') + "NaN" + std::string(128, ']');
  EXPECT_EQ(refusal(allowed, parse_python_json), "nothing was refused");
}

TEST(PythonJson, PlacesOfOtherErrorsStayWhatTheyAre) {
  EXPECT_TRUE(contains(refusal("[NaN, Infinity, x]", parse_python_json), "at byte 17"));
}

std::string python_text(std::string_view text) {
  return compact_json(parse_python_json(text, "row"));
}

TEST(BigInteger, KeepsEveryDigit) {
  const std::string long_one = "-1" + std::string(399, '0') + "7";  // a double is infinite there
  for (const std::string& digits : {std::string("18446744073709551616"),  // 2⁶⁴
                                    std::string("-9223372036854775809"),  // −2⁶³ − 1
                                    std::string("123456789012345678901234567890"), long_one}) {
    const Json value = parse_python_json(digits, "row");
    EXPECT_TRUE(is_big_integer(value)) << digits;
    EXPECT_EQ(value, big_integer(digits));
    EXPECT_STREQ(json_type_name(value), "number");
    EXPECT_FALSE(find_non_finite(value));
    const std::string row =
        "{\"a\":[1," + digits + ",{}],\"ä\\n\":{\"b\":" + digits + ",\"c\":[]}}";
    EXPECT_EQ(python_text(row), row);
  }
  EXPECT_NE(parse_python_json("18446744073709551616", "row"),
            parse_python_json("18446744073709551617", "row"));
}

TEST(BigInteger, IsOnlyWhatSixtyFourBitsDoNotHold) {
  for (const std::string text : {"18446744073709551615", "-9223372036854775808", "0", "7"}) {
    EXPECT_TRUE(parse_python_json(text, "row").is_number_integer()) << text;
    EXPECT_EQ(python_text(text), text);
  }
  EXPECT_FALSE(is_big_integer(Json::binary({'1', '2'})));
  EXPECT_TRUE(parse_json("18446744073709551616", "config.json").is_number_float());
}

// The same text as nlohmann's own, which writes another number in the place of the big integer.
TEST(BigInteger, StandsInAnyLayoutWhereANumberWould) {
  const std::string digits = "18446744073709551616";
  const auto row = [](const std::string& number) {
    return "{\"a\": [1.5, \"x\", [" + number + "]], \"b\": {\"c\": {}, \"d\": " + number +
           "}, \"e\": [], \"f\": null, \"g\": [[], {\"h\": [true]}]}";
  };
  const Json small = parse_json(row("4242"), "row");
  for (const int indent : {-1, 2}) {
    std::string expected = small.dump(indent);
    for (std::size_t at = 0; (at = expected.find("4242", at)) != std::string::npos;)
      expected.replace(at, 4, digits);
    const Json value = parse_python_json(row(digits), "row");
    EXPECT_EQ(indent < 0 ? compact_json(value) : format_json(value),
              indent < 0 ? expected : expected + "\n");
  }
}

// What json.dumps(json.loads(text)) gives in Python, with null for Infinity.
TEST(PythonJson, ReadsFloatsAsPythonDoes) {
  EXPECT_EQ(python_text("[1E5, -0.0, -0, 1e-400, 0.1, 1e22, 100000000000000000000.0]"),
            "[100000.0,-0.0,0,0.0,0.1,1e+22,1e+20]");
  const Json value = parse_python_json("{\"a\": [1e400, \"1e400\", [2]], \"b\": -1E+999}", "row");
  EXPECT_EQ(value.at("a").at(0).get<double>(), INFINITY);
  EXPECT_EQ(value.at("b").get<double>(), -INFINITY);
  EXPECT_EQ(find_non_finite(value)->path, "a[0]");
  EXPECT_EQ(compact_json(value), R"({"a":[null,"1e400",[2]],"b":null})");
  const std::string many(400, '9');
  EXPECT_EQ(python_text("[NaN, " + many + ", 1e400]"), "[null," + many + ",null]");
  for (const char* text : {"[01e400]", "[1.e400]", "[+1e400]", "[.1e400]", "[1e400.5]", "[1e400e]",
                           "[1e400[1]]", "[1e400 1]", "[--1e400]", "1e400x"}) {
    EXPECT_NE(refusal(text, parse_python_json), "nothing was refused") << text;
  }
  EXPECT_TRUE(contains(strict_refusal("[1e400]"), "number overflow"));
}

TEST(NonFinite, IsFoundByItsPath) {
  const Json value = parse_python_json(R"({"a": [1, {"b": [0, -Infinity]}], "c": NaN})", "row");
  const auto found = find_non_finite(value);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->word, "-Infinity");
  EXPECT_EQ(found->path, "a[1].b[1]");
  EXPECT_FALSE(find_non_finite(Json{{"a", 1.5}, {"b", nullptr}}));
  EXPECT_EQ(find_non_finite(parse_python_json("NaN", "row"))->path, "");
}

}  // namespace
}  // namespace expo
