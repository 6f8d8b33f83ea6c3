#include "expo/checkpoint/torch/zip_directory.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/zip_bytes.h"

namespace expo {
namespace {

class Zip : public ::testing::Test {
 protected:
  std::unique_ptr<ReadableFile> file(const std::string& bytes) {
    filesystem_.write_text("a.zip", bytes);
    return filesystem_.open("a.zip", Caching::buffered);
  }

  /// The data of every member as the directory locates it.
  std::string contents(const std::string& bytes) {
    const auto opened = file(bytes);
    std::string result;
    AlignedBuffer scratch;
    const ZipDirectory directory(*opened);
    for (const ZipMember& member : directory.members()) {
      const auto data = opened->read(member.offset, member.size, scratch);
      result += member.name + "=" +
                std::string(reinterpret_cast<const char*>(data.data()), data.size()) + ";";
    }
    return result;
  }

  void expect_refusal(const std::string& bytes, const std::string& words) {
    try {
      const ZipDirectory directory(*file(bytes));
      ADD_FAILURE() << "accepted: " << words;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
      EXPECT_NE(std::string(error.what()).find("a.zip"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  MemoryFilesystem filesystem_;
};

const std::vector<ZipMemberBytes> kTwo{{.name = "one", .data = "first"},
                                       {.name = "two", .data = "second", .padding = "ZZZ"}};

std::string patched(std::string bytes, std::size_t position, const std::string& patch) {
  return bytes.replace(position, patch.size(), patch);
}

TEST_F(Zip, FindsTheDataOfStoredMembers) {
  EXPECT_EQ(contents(zip_bytes(kTwo)), "one=first;two=second;");
  EXPECT_EQ(contents(zip_bytes({})), "");
}

TEST_F(Zip, ReadsZip64InEveryCombination) {
  for (const bool end : {false, true}) {
    for (const bool one : {false, true}) {
      auto members = kTwo;
      members[0].zip64 = one;
      members[1].zip64 = !one;
      EXPECT_EQ(contents(zip_bytes(members, {.zip64 = end})), "one=first;two=second;");
    }
  }
}

TEST_F(Zip, ReadsMembersThatAreDescribedAfterTheirData) {
  auto members = kTwo;
  members[0].described_later = true;
  EXPECT_EQ(contents(zip_bytes(members)), "one=first;two=second;");
}

TEST_F(Zip, FindsByName) {
  const auto opened = file(zip_bytes(kTwo));
  const ZipDirectory directory(*opened);
  ASSERT_NE(directory.find("two"), nullptr);
  EXPECT_EQ(directory.find("two")->size, 6u);
  EXPECT_EQ(directory.find("tw"), nullptr);
  EXPECT_EQ(directory.find("two "), nullptr);
}

TEST_F(Zip, RefusesCompressedMembers) {
  expect_refusal(zip_bytes({{.name = "x", .data = "abc", .method = 8}}), "\"x\"");
  expect_refusal(zip_bytes({{.name = "x", .data = "abc", .method = 8}}), "compressed (method 8)");
}

TEST_F(Zip, RefusesEncryptedMembers) {
  for (const unsigned flag : {0x0001u, 0x0040u, 0x2000u}) {
    expect_refusal(zip_bytes({{.name = "x", .data = "abc", .flags = flag}}), "is encrypted");
  }
  expect_refusal(zip_bytes({{.name = "x", .data = "abc", .flags = 0x0020}}), "flags");
}

TEST_F(Zip, RefusesEveryTruncation) {
  for (const bool zip64 : {false, true}) {
    const std::string whole = zip_bytes(kTwo, {.zip64 = zip64});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      expect_refusal(whole.substr(0, size), "");
    }
  }
}

TEST_F(Zip, RefusesBytesAroundTheArchive) {
  const std::string whole = zip_bytes(kTwo);
  expect_refusal(whole + "x", "stray bytes follow");
  expect_refusal(zip_bytes(kTwo, {.comment = "remark"}), "comment");
  expect_refusal(zip_bytes(kTwo, {.comment = zip_bytes({})}), "");
  expect_refusal("stub" + whole, "is declared to have");
  expect_refusal(zip_bytes(kTwo, {.before = "stub"}), "stray bytes lie before");
}

TEST_F(Zip, RefusesSeveralDisks) {
  const std::string whole = zip_bytes(kTwo);
  const std::size_t end = whole.size() - 22;
  expect_refusal(patched(whole, end + 4, little(1, 2)), "disks");
  expect_refusal(patched(whole, end + 6, little(1, 2)), "disks");
  expect_refusal(patched(whole, end + 8, little(1, 2)), "disks");
  expect_refusal(patched(whole, whole.find("PK\x01\x02") + 34, little(3, 2)), "another disk");
  const std::string large = zip_bytes(kTwo, {.zip64 = true});
  const std::size_t locator = large.size() - 42;
  expect_refusal(patched(large, locator + 4, little(1, 4)), "disks");
  expect_refusal(patched(large, locator + 16, little(2, 4)), "disks");
  expect_refusal(patched(large, locator - 56 + 16, little(1, 4)), "disks");
  expect_refusal(patched(large, locator - 56 + 24, little(1, 8)), "disks");
}

TEST_F(Zip, RefusesMembersThatOverlap) {
  auto members = kTwo;
  members[1].header_offset = 0;
  members[1].name = "one";
  expect_refusal(zip_bytes(members), "overlaps");
  members = kTwo;
  members[0].size = members[0].local_size = 6;
  expect_refusal(zip_bytes(members), "overlaps");
}

TEST_F(Zip, RefusesMembersThatLeaveTheFile) {
  for (const std::uint64_t size : {std::uint64_t{1000}, std::uint64_t{0xfffffffe}}) {
    auto members = kTwo;
    members[1].size = members[1].local_size = size;
    expect_refusal(zip_bytes(members), "leaves the file");
  }
  for (const std::uint64_t size : {std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    auto members = kTwo;
    members[1].zip64 = true;
    members[1].size = members[1].local_size = size;
    expect_refusal(zip_bytes(members), "leaves the file");
  }
  auto members = kTwo;
  members[1].zip64 = true;
  for (const std::uint64_t offset : {std::uint64_t{100000}, ~std::uint64_t{0}}) {
    members[1].header_offset = offset;
    expect_refusal(zip_bytes(members), "leaves the file");
  }
}

TEST_F(Zip, RefusesHeadersThatDisagree) {
  auto members = kTwo;
  members[0].local_name = "uno";
  expect_refusal(zip_bytes(members), "described differently");
  members = kTwo;
  members[0].local_size = 4;
  expect_refusal(zip_bytes(members), "described differently");
  members[0].zip64 = true;
  expect_refusal(zip_bytes(members), "described differently");
  const std::string whole = zip_bytes(kTwo);
  expect_refusal(patched(whole, 8, little(8, 2)), "described differently");
  expect_refusal(patched(whole, 6, little(1, 2)), "described differently");
  expect_refusal(patched(whole, 0, "PK\x03\x05"), "no local header");
  // The member is stored, but with two different sizes.
  const std::size_t entry = whole.find("PK\x01\x02");
  expect_refusal(patched(whole, entry + 20, little(4, 4)), "takes 4 bytes for 5");
}

TEST_F(Zip, RefusesNamesThatOccurTwice) {
  expect_refusal(zip_bytes({{.name = "one", .data = "a"}, {.name = "one", .data = "b"}}),
                 "\"one\"");
}

TEST_F(Zip, RefusesDirectoriesThatLie) {
  const std::string whole = zip_bytes(kTwo);
  const std::size_t end = whole.size() - 22;
  const std::size_t entry = whole.find("PK\x01\x02");
  expect_refusal(patched(whole, end + 8, little(1, 2) + little(1, 2)), "2 entries, but 1");
  expect_refusal(patched(whole, end + 8, little(999, 2) + little(999, 2)), "cannot hold the 999");
  expect_refusal(patched(whole, end + 12, little(1, 4)), "is declared to have 1 bytes");
  expect_refusal(patched(whole, end + 16, little(0xfffffffe, 4)), "is declared to have");
  expect_refusal(patched(whole, end + 16, little(0xffffffff, 4)), "zip64 end record is missing");
  expect_refusal(patched(whole, entry, "PK\x01\x03"), "entry 0 of its zip directory is malformed");
  expect_refusal(patched(whole, entry + 28, little(0xffff, 2)), "entry 0 of its zip directory");
  expect_refusal(patched(whole, entry + 24, little(0xffffffff, 4)), "lacks the zip64 field");
}

TEST_F(Zip, RefusesZip64EndsThatLie) {
  const std::string whole = zip_bytes(kTwo, {.zip64 = true});
  const std::size_t locator = whole.size() - 42;
  const std::size_t record = locator - 56;
  expect_refusal(patched(whole, locator + 8, little(record + 1, 8)), "is not where");
  expect_refusal(patched(whole, record, "XX"), "is not where");
  expect_refusal(patched(whole, record + 4, little(45, 8)), "is not where");
  expect_refusal(patched(whole, record + 48, little(~std::uint64_t{0}, 8)), "is declared to have");
  expect_refusal(patched(whole, record + 40, little(~std::uint64_t{0}, 8)), "is declared to have");
  expect_refusal(patched(whole, record + 24, little(1ull << 60, 8) + little(1ull << 60, 8)),
                 "cannot hold");
  expect_refusal(patched(whole, whole.size() - 22 + 16, little(7, 4)), "contradict each other");
}

}  // namespace
}  // namespace expo
