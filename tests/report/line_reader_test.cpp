#include "expo/report/line_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "expo/core/disk/memory_filesystem.h"

namespace expo {
namespace {

struct Found {
  std::vector<std::string> lines;
  bool is_cut = false;
};

/// Checks on the way that each line stands where it is said to stand.
Found read(const std::string& text) {
  MemoryFilesystem disk;
  disk.write_text("/file", text);
  const auto file = disk.open("/file", Caching::buffered);
  LineReader reader(*file);
  Found found;
  while (const auto line = reader.next()) {
    EXPECT_EQ(line->number, found.lines.size() + 1);
    EXPECT_EQ(text.substr(line->offset, line->text.size()), line->text);
    EXPECT_EQ(text.at(line->offset + line->text.size()), '\n');
    found.lines.emplace_back(line->text);
  }
  EXPECT_FALSE(reader.next());
  found.is_cut = reader.is_cut();
  return found;
}

TEST(LineReader, GivesWholeLinesOnly) {
  EXPECT_TRUE(read("").lines.empty());
  EXPECT_FALSE(read("").is_cut);
  EXPECT_EQ(read("a\n\nbc\n").lines, (std::vector<std::string>{"a", "", "bc"}));
  EXPECT_FALSE(read("a\n").is_cut);
  EXPECT_EQ(read("a\nbc").lines, std::vector<std::string>{"a"});
  EXPECT_TRUE(read("a\nbc").is_cut);
  EXPECT_TRUE(read("abc").is_cut);
}

TEST(LineReader, ReadsLinesOfAnyLength) {
  constexpr std::size_t kPiece = 1 << 20;  // as it reads the file
  for (const std::size_t length : {kPiece - 1, kPiece, kPiece + 1, 3 * kPiece + 5}) {
    std::string text;
    std::vector<std::string> lines;
    for (const char letter : {'a', 'b', 'c'}) {
      lines.emplace_back(length, letter);
      text += lines.back() + "\n";
    }
    EXPECT_EQ(read(text).lines, lines) << length;
    EXPECT_EQ(read(text + "rest").lines, lines) << length;
    EXPECT_TRUE(read(text + "rest").is_cut);
  }
}

}  // namespace
}  // namespace expo
