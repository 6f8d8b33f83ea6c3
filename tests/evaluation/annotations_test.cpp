#include "expo/evaluation/annotations.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

constexpr const char* kHeader = "index,len_baseline,len_model,preference\n";

Annotations read(const std::string& text, const char* path = "/a.csv") {
  MemoryFilesystem files;
  files.write_text(path, text);
  return read_annotations(files, path);
}

std::string refused(const std::string& text, const char* path = "/a.csv") {
  return refusal(ErrorCategory::input, [&] { read(text, path); });
}

std::string row(const std::string& members) {
  return R"({"instruction": "i", "output_1": "éa", "output_2": "b", )" + members + "}";
}

TEST(AnnotationTable, ReadsColumnsByName) {
  const auto found = read(
      "preference,note,len_model,index,len_baseline\r\n"
      "1.25,\"a, \"\"b\"\"\n\",5,1,7\r\n\r\n2,,4,0,3\r\n",
      "/zephyr_0.1.csv");
  EXPECT_EQ(found.model, "zephyr_0.1");
  EXPECT_EQ(found.judge, "");
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[0].index, 0u);
  EXPECT_EQ(found.rows[0].baseline_length, 3u);
  EXPECT_EQ(found.rows[0].model_length, 4u);
  EXPECT_EQ(found.rows[1].preference, 1.25);
  EXPECT_EQ(found.rows[1].place, "/zephyr_0.1.csv:3");
  ASSERT_EQ(found.warnings.size(), 1u);
  EXPECT_TRUE(contains(found.warnings[0], "zephyr_0.1.csv:5"));
  EXPECT_TRUE(contains(found.warnings[0], "0 comes after 1"));
}

TEST(AnnotationTable, RowsWithoutPreferenceAreFailures) {
  const auto found =
      read(std::string(kHeader) + "0,1,1,\n1,1,1,nan\n2,1,1,NaN\n3,1,1,-1\n4,1,1,0\n");
  ASSERT_EQ(found.rows.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FALSE(found.rows[i].preference) << i;
  EXPECT_EQ(found.rows[4].preference, 1.5);
}

TEST(AnnotationTable, RefusesWithThePlace) {
  const std::string header = kHeader;
  EXPECT_TRUE(contains(refused(header + "0,1,1,1\n3,1,1,1\n3,1,1,2\n"),
                       "/a.csv:4: the index 3 is also that of /a.csv:3"));
  EXPECT_TRUE(contains(refused(header + "0,1,1,3.7\n"), "/a.csv:2: preference is 3.7"));
  EXPECT_TRUE(contains(refused(header + "0,1,1,0.5\n"), "/a.csv:2: preference is 0.5"));
  EXPECT_TRUE(contains(refused(header + "0,1,1,inf\n"), "/a.csv:2: preference is \"inf\""));
  EXPECT_TRUE(contains(refused(header + "0,1,1,1e999\n"), "preference is \"1e999\""));
  EXPECT_TRUE(contains(refused(header + "0,1,1,m\n"), "preference is \"m\""));
  EXPECT_TRUE(contains(refused(header + "0,-1,1,1\n"), "/a.csv:2: len_baseline is \"-1\""));
  EXPECT_TRUE(contains(refused(header + "0,1,1.5,1\n"), "/a.csv:2: len_model is \"1.5\""));
  EXPECT_TRUE(contains(refused(header + ",1,1,1\n"), "/a.csv:2: index is \"\""));
  EXPECT_TRUE(contains(refused(header + "0,1,1\n"), "/a.csv:2: found 3 cells; expected 4"));
  EXPECT_TRUE(contains(refused(header + "0,1,1,\"1\n"), "a quoted cell does not end"));
  EXPECT_TRUE(
      contains(refused("index,len_model,preference\n0,1,1\n"), "no column \"len_baseline\""));
  EXPECT_TRUE(contains(refused("index,index\n"), "the column \"index\" occurs twice"));
  EXPECT_TRUE(contains(refused(header), "there is no annotation"));
  EXPECT_TRUE(contains(refused(""), "the file is empty"));
  EXPECT_TRUE(contains(refused(std::string(2000, ',')), "more than 1000 cells"));
}

TEST(AnnotationRows, ReadsAlpacaEvalsFormat) {
  const std::string names = R"("generator_1": "base", "generator_2": "m", "annotator": "j", )";
  const auto found = read("[" + row(names + R"("preference": 1.25)") + "," +
                              R"({"instruction": "k", "output_1": "a", "output_2": "bc",)" + names +
                              R"("preference": null, "price_per_example": NaN}])",
                          "/annotations.json");
  EXPECT_EQ(found.model, "m");
  EXPECT_EQ(found.baseline, "base");
  EXPECT_EQ(found.judge, "j");
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[0].baseline_length, 2u);  // characters, not bytes
  EXPECT_EQ(found.rows[0].preference, 1.25);
  EXPECT_EQ(found.rows[1].index, 1u);
  EXPECT_EQ(found.rows[1].instruction, "k");
  EXPECT_FALSE(found.rows[1].preference);
}

TEST(AnnotationRows, TakesIndicesWhereTheyAre) {
  const auto found = read(
      row(R"("index": 4, "preference": NaN)") + "\n" + row(R"("index": 2, "preference": 2)") + "\n",
      "/a.jsonl");
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[0].index, 2u);
  EXPECT_EQ(found.rows[1].index, 4u);
  EXPECT_FALSE(found.rows[1].preference);
  EXPECT_EQ(found.warnings.size(), 1u);
}

TEST(AnnotationRows, RefusesWithThePlace) {
  const auto two = [](const std::string& first, const std::string& second) {
    return refused(first + "\n" + second + "\n", "/a.jsonl");
  };
  const std::string good = row(R"("preference": 1)");
  EXPECT_TRUE(contains(two(good, good), "/a.jsonl:2: this is the same instruction"));
  EXPECT_TRUE(
      contains(two(good, row(R"("preference": "m")")), "/a.jsonl:2: preference is a string"));
  EXPECT_TRUE(contains(two(good, row(R"("preference": 7)")), "/a.jsonl:2: preference is 7"));
  EXPECT_TRUE(contains(two(good, row(R"("index": 1, "preference": 1)")), "there is an index"));
  EXPECT_TRUE(contains(two(row(R"("index": -1, "preference": 1)"), good), "index is -1"));
  EXPECT_TRUE(contains(two(row(R"("index": 1e30, "preference": 1)"), good), "index is 1e+30"));
  EXPECT_TRUE(contains(two(good, R"({"output_1": "a", "preference": 1})"), "there is no output_2"));
  EXPECT_TRUE(contains(two(good, R"({"output_1": 3, "output_2": "a", "preference": 1})"),
                       "output_1 is a number"));
  EXPECT_TRUE(contains(two(good, R"({"output_1": ["a"], "output_2": "a", "preference": 1})"),
                       "output_1 is an array"));
  EXPECT_TRUE(contains(two(good, row(R"("preference": {})")), "preference is an object"));
  EXPECT_TRUE(contains(two(row(R"("generator_2": [], "preference": 1)"), good),
                       "generator_2 is an array; expected a name"));
  EXPECT_TRUE(contains(two(row(R"("index": [1], "preference": 1)"), good), "index is an array"));
  EXPECT_TRUE(
      contains(two(good, R"({"output_1": "3", "output_2": "a"})"), "there is no preference"));
  EXPECT_TRUE(
      contains(two(row(R"("generator_2": "a", "preference": 1)"),
                   R"({"output_1": "", "output_2": "", "generator_2": "b", "preference": 1})"),
               "/a.jsonl:2: generator_2 is \"b\", but \"a\" in /a.jsonl:1"));
  EXPECT_TRUE(contains(refused("[]", "/a.json"), "there is no annotation"));
}

}  // namespace
}  // namespace expo
