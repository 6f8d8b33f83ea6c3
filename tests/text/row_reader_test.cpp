#include "expo/text/row_reader.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

struct RowReaderTest : testing::Test {
  MemoryFilesystem files;

  void write(const std::string& name, std::string_view text) {
    files.create_directory(std::filesystem::path(name).parent_path());
    files.write_text(name, text);
  }

  std::vector<Json> rows(const std::string& path,
                         const std::optional<std::string>& split = std::nullopt) {
    std::vector<Json> found;
    const auto reader = open_rows(files, path, split);
    for (Json row; reader->next(row);) found.push_back(row);
    return found;
  }

  std::string reason(ErrorCategory category, const std::string& path,
                     const std::optional<std::string>& split = std::nullopt) {
    try {
      rows(path, split);
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category) << error.what();
      return error.what();
    }
    return "nothing was refused";
  }
};

const Json kA = {{"prompt", "a"}};
const Json kB = {{"prompt", "b"}};

TEST_F(RowReaderTest, ReadsAnObjectALine) {
  write("/d/a.jsonl", "\xEF\xBB\xBF{\"prompt\": \"a\"}\r\n\n  \n{\"prompt\": \"b\"}");
  EXPECT_EQ(rows("/d/a.jsonl"), (std::vector{kA, kB}));
  const auto reader = open_rows(files, "/d/a.jsonl");
  Json row;
  reader->next(row);
  reader->next(row);
  EXPECT_EQ(reader->place(), "/d/a.jsonl:4");
  EXPECT_FALSE(reader->next(row));
}

TEST_F(RowReaderTest, ReadsLinesThatCrossThePiecesOfTheFile) {
  std::string text;
  std::vector<Json> expected;
  for (std::size_t i = 0; i < 9; ++i) {
    expected.push_back({{"number", i}, {"text", std::string(300'000 + i, 'x')}});
    text += expected.back().dump() + "\n";
  }
  write("/d/long.jsonl", text);
  EXPECT_EQ(rows("/d/long.jsonl"), expected);
}

TEST_F(RowReaderTest, ReadsArraysObjectsAndLinesFromJson) {
  write("/d/array.json", "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"}]");
  EXPECT_EQ(rows("/d/array.json"), (std::vector{kA, kB}));
  write("/d/lines.json", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
  EXPECT_EQ(rows("/d/lines.json"), (std::vector{kA, kB}));
  write("/d/one.json", "{\n  \"prompt\": \"a\"\n}\n");
  EXPECT_EQ(rows("/d/one.json"), (std::vector{kA}));
  write("/d/none.json", "[]");
  EXPECT_TRUE(rows("/d/none.json").empty());
  write("/d/none.jsonl", "");
  EXPECT_TRUE(rows("/d/none.jsonl").empty());
}

TEST_F(RowReaderTest, TakesAByteOrderMarkOfUtf8) {
  const std::string mark = "\xEF\xBB\xBF";
  for (const std::string name : {"/d/a.json", "/d/a.jsonl", "/d/a.ndjson"}) {
    write(name, mark + "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
    EXPECT_EQ(rows(name), (std::vector{kA, kB})) << name;
  }
  write("/d/array.json", mark + "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"}]");
  EXPECT_EQ(rows("/d/array.json"), (std::vector{kA, kB}));
  write("/d/one.json", mark + "\n{\n  \"prompt\": \"a\"\n}\n");
  EXPECT_EQ(rows("/d/one.json"), (std::vector{kA}));
  write("/d/bad.json", mark + "[{\"prompt\": x}]");
  EXPECT_TRUE(contains(reason(ErrorCategory::input, "/d/bad.json"), "at byte 16"));
  write("/d/two.json", mark + mark + "[]");
  EXPECT_TRUE(reason(ErrorCategory::input, "/d/two.json").starts_with("/d/two.json: "));
}

TEST_F(RowReaderTest, RefusesWideCharactersByTheirName) {
  using namespace std::string_literals;
  for (const std::string name : {"/d/a.json", "/d/a.jsonl", "/d/a.ndjson"}) {
    for (const std::string& text : {"\xFF\xFE[\0]\0"s, "\xFE\xFF\0[\0]"s}) {
      write(name, text);
      EXPECT_EQ(reason(ErrorCategory::input, name),
                name + ": is UTF-16, but JSON is read as UTF-8; save it as UTF-8");
    }
    write(name, "\xFF\xFE\0\0[\0\0\0"s);
    EXPECT_TRUE(reason(ErrorCategory::input, name).starts_with(name + ": is UTF-32, "));
  }
}

TEST_F(RowReaderTest, KeepsTheDigitsOfIntegers) {
  const std::string digits = "123456789012345678901234567890";
  const std::string row = "{\"prompt\":\"a\",\"n\":[" + digits + "]}";
  write("/d/a.jsonl", row + "\n");
  write("/d/array.json", "[" + row + "]");
  write("/d/one.json", row);
  for (const char* name : {"/d/a.jsonl", "/d/array.json", "/d/one.json"}) {
    const auto reader = open_rows(files, name);
    Json found;
    ASSERT_TRUE(reader->next(found));
    EXPECT_EQ(compact_json(found), row);
    EXPECT_TRUE(row_warnings(*reader).empty());
  }
  write("/d/bare.json", digits);
  EXPECT_EQ(reason(ErrorCategory::input, "/d/bare.json"),
            "/d/bare.json: a JSON array of objects was expected, found number");
}

TEST_F(RowReaderTest, NamesFileAndLineOfABadRow) {
  write("/d/a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \n");
  EXPECT_TRUE(reason(ErrorCategory::input, "/d/a.jsonl").starts_with("/d/a.jsonl:2: "));
  write("/d/b.jsonl", "{\"prompt\": \"a\"}\n\n[1]\n");
  EXPECT_EQ(reason(ErrorCategory::input, "/d/b.jsonl"),
            "/d/b.jsonl:3: a JSON object was expected, found array");
  write("/d/c.json", "[{\"prompt\": \"a\"}, 7]");
  EXPECT_EQ(reason(ErrorCategory::input, "/d/c.json"),
            "/d/c.json: entry 2: a JSON object was expected, found number");
  write("/d/d.json", "\"text\"");
  EXPECT_EQ(reason(ErrorCategory::input, "/d/d.json"),
            "/d/d.json: a JSON array of objects was expected, found string");
  write("/d/e.jsonl", "{\"a\": 1}\n{\"a\": \"\xff\"}\n");
  EXPECT_TRUE(reason(ErrorCategory::input, "/d/e.jsonl").starts_with("/d/e.jsonl:2: "));
}

TEST_F(RowReaderTest, CountsRowsWithNumbersThatJsonHasNot) {
  write("/d/a.jsonl",
        "{\"prompt\": \"a\"}\n{\"prompt\": \"NaN\", \"x\": {\"y\": [1, NaN]}}\n"
        "{\"prompt\": \"b\", \"x\": -Infinity, \"z\": NaN}\n");
  const auto lines = open_rows(files, "/d/a.jsonl");
  Json row;
  lines->next(row);
  EXPECT_TRUE(row_warnings(*lines).empty());
  lines->next(row);
  EXPECT_EQ(compact_json(row), R"({"prompt":"NaN","x":{"y":[1,null]}})");
  while (lines->next(row)) {
  }
  EXPECT_EQ(lines->non_finite_rows().count, 2u);
  EXPECT_EQ(lines->non_finite_rows().first, "/d/a.jsonl:2 (x.y[1] is NaN)");
  ASSERT_EQ(row_warnings(*lines).size(), 1u);
  EXPECT_TRUE(row_warnings(*lines)[0].starts_with("2 rows hold NaN or Infinity"));

  write("/d/b.json", "[\n{\"prompt\": \"a\", \"x\": [[], Infinity]},\n{\"prompt\": \"b\"}]");
  const auto array = open_rows(files, "/d/b.json");
  while (array->next(row)) {
  }
  EXPECT_EQ(array->non_finite_rows().count, 1u);
  EXPECT_EQ(array->non_finite_rows().first, "/d/b.json: entry 1 (x[1] is Infinity)");

  const auto first = first_rows(open_rows(files, "/d/a.jsonl"), 2);
  while (first->next(row)) {
  }
  EXPECT_EQ(first->non_finite_rows().count, 1u);
}

TEST_F(RowReaderTest, AddsUpRowsOverTheFilesOfASplit) {
  write("/d/train-00000-of-00003.jsonl", "{\"a\": 1}\n");
  write("/d/train-00001-of-00003.jsonl", "{\"a\": NaN}\n{\"a\": NaN}\n");
  write("/d/train-00002-of-00003.jsonl", "{\"a\": NaN}\n");
  const auto reader = open_rows(files, "/d");
  for (Json row; reader->next(row);) {
  }
  EXPECT_EQ(reader->non_finite_rows().count, 3u);
  EXPECT_EQ(reader->non_finite_rows().first, "/d/train-00001-of-00003.jsonl:1 (a is NaN)");
}

TEST_F(RowReaderTest, ReadsOneSplitOfAFolder) {
  write("/set/README.md", "a card");
  write("/set/dataset_info.json", "{}");
  write("/set/data/train-00001-of-00002.jsonl", "{\"prompt\": \"b\"}");
  write("/set/data/train-00000-of-00002.jsonl", "{\"prompt\": \"a\"}");
  EXPECT_EQ(rows("/set"), (std::vector{kA, kB}));
  EXPECT_EQ(rows("/set", "train"), (std::vector{kA, kB}));
  write("/set/data/test_prefs-00000-of-00001.jsonl", "{\"prompt\": \"b\"}");
  EXPECT_EQ(rows("/set", "test_prefs"), (std::vector{kB}));
  EXPECT_EQ(reason(ErrorCategory::usage, "/set"),
            "/set: holds several splits (test_prefs, train); choose one with --split");
  EXPECT_EQ(reason(ErrorCategory::usage, "/set", "dev"),
            "/set: there is no split \"dev\", only test_prefs, train");
}

TEST_F(RowReaderTest, RefusesWhatIsNoDataSet) {
  write("/d/a.csv", "prompt\na\n");
  EXPECT_TRUE(reason(ErrorCategory::input, "/d/a.csv").starts_with("/d/a.csv: a data set is "));
  EXPECT_TRUE(reason(ErrorCategory::input, "/d").starts_with("/d: holds no data set"));
  EXPECT_TRUE(reason(ErrorCategory::input, "/d/missing.jsonl").starts_with("/d/missing.jsonl: "));
  write("/d/a.jsonl", "{}");
  EXPECT_TRUE(reason(ErrorCategory::usage, "/d/a.jsonl", "train").starts_with("/d/a.jsonl: "));
}

TEST_F(RowReaderTest, RefusesBrokenParquet) {
  for (const std::string text : {"", "PAR1", "PAR1PAR1", "PAR1\xff\xff\xff\x7fPAR1",
                                 "not parquet at all, but long enough"}) {
    SCOPED_TRACE(text);
    write("/d/a.parquet", text);
    EXPECT_TRUE(reason(ErrorCategory::input, "/d/a.parquet")
                    .starts_with("/d/a.parquet: cannot be read as parquet ("));
  }
}

class ParquetParity : public testing::TestWithParam<const char*> {};

std::vector<Json> on_disk(const std::filesystem::path& path) {
  std::vector<Json> found;
  const auto reader = open_rows(posix_filesystem(), path);
  for (Json row; reader->next(row);) found.push_back(row);
  return found;
}

// The files were written by pyarrow: goldens/make_parquet.py.
TEST_P(ParquetParity, GivesTheRowsThatWereWritten) {
  const std::string goldens = EXPO_SOURCE_DIR "/tests/text/goldens/";
  const auto found = on_disk(goldens + "rows." + GetParam() + ".parquet");
  ASSERT_EQ(found.size(), 12u);
  EXPECT_EQ(found, on_disk(goldens + "rows.jsonl"));
}

INSTANTIATE_TEST_SUITE_P(Codecs, ParquetParity,
                         testing::Values("snappy", "zstd", "none", "gzip", "brotli", "lz4"),
                         [](const auto& codec) { return std::string(codec.param); });

TEST(Parquet, PublishedPreferencesAreTheSameRowsAsTheirJson) {
  const std::filesystem::path folder =
      std::filesystem::path(EXPO_SOURCE_DIR) / "../shared/data/preferences";
  if (!exists(folder)) GTEST_SKIP() << folder << " is not here";
  for (const char* name : {"dev", "train"}) {
    const auto rows = on_disk(folder / (std::string(name) + ".parquet"));
    EXPECT_EQ(rows, on_disk(folder / (std::string(name) + ".jsonl")));
    EXPECT_GT(rows.size(), 300u);
  }
}

TEST(Parquet, EveryTruncationIsRefused) {
  MemoryFilesystem files;
  const std::string goldens = EXPO_SOURCE_DIR "/tests/text/goldens/";
  const std::string whole = posix_filesystem().read_text(goldens + "rows.snappy.parquet");
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    files.write_text("/cut.parquet", whole.substr(0, size));
    EXPECT_THROW(open_rows(files, "/cut.parquet"), Error) << size;
  }
}

}  // namespace
}  // namespace expo
