#include "expo/core/disk/page_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 2048;

/// A file on the disk of the build tree: temporary folders may be in memory, where files exist only
/// in the page cache.
class PageCache : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < text_.size(); ++i) text_[i] = static_cast<char>(i % 251);
    folder_ = std::filesystem::current_path() / ("page-cache-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder_);
    posix_filesystem().write_text(path(), text_);
    descriptor_ = ::open(path().c_str(), O_RDONLY);
    ASSERT_GE(descriptor_, 0);
    mapping_ = static_cast<std::byte*>(
        ::mmap(nullptr, text_.size(), PROT_READ, MAP_SHARED, descriptor_, 0));
    ASSERT_NE(mapping_, MAP_FAILED);
  }
  void TearDown() override {
    ::munmap(mapping_, text_.size());
    ::close(descriptor_);
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path path() const { return folder_ / "file"; }

  /// Drops the file from the page cache; returns false if the filesystem keeps it there
  /// nevertheless.
  bool empty() {
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
    return resident() == 0;
  }

  void bring_in(std::size_t first, std::size_t pages) {
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_RANDOM);  // disables read-ahead
    std::vector<char> page(kPage);
    for (std::size_t i = first; i < first + pages; ++i)
      ASSERT_EQ(::pread(descriptor_, page.data(), kPage, static_cast<off_t>(i * kPage)),
                static_cast<ssize_t>(kPage));
  }

  /// The number of pages in the cache, counted one by one.
  std::size_t resident() const {
    std::vector<unsigned char> pages(kPages);
    EXPECT_EQ(::mincore(mapping_, text_.size(), pages.data()), 0);
    std::size_t count = 0;
    for (const unsigned char page : pages) count += page & 1U;
    return count;
  }

  std::filesystem::path folder_;
  std::string text_ = std::string(kPage * kPages, ' ');
  int descriptor_ = -1;
  std::byte* mapping_ = nullptr;
};

TEST_F(PageCache, StaysEmptyWhereAColdFileIsReadPastIt) {
  if (!empty()) GTEST_SKIP() << "this filesystem keeps its files in the page cache";
  const auto file = posix_filesystem().open(path(), Caching::direct);
  AlignedBuffer scratch;
  for (std::size_t offset = 100; offset + 100'000 <= text_.size(); offset += 100'000) {
    const auto bytes = file->read(offset, 100'000, scratch);
    ASSERT_EQ(std::memcmp(bytes.data(), text_.data() + offset, bytes.size()), 0) << offset;
  }
  EXPECT_EQ(resident(), 0U);
}

TEST_F(PageCache, GivesWhatItHoldsToDirectReaders) {
  const auto file = posix_filesystem().open(path(), Caching::direct);
  AlignedBuffer scratch;
  empty();
  bring_in(10, 20);
  for (const std::size_t page : {5U, 10U, 25U, 2000U}) {  // partly, whole, partly, not in it
    const auto bytes = file->read(page * kPage + 7, 9 * kPage, scratch);
    EXPECT_EQ(std::memcmp(bytes.data(), text_.data() + page * kPage + 7, bytes.size()), 0) << page;
  }
}

TEST_F(PageCache, IsToldByBothCalls) {
  if (!empty()) GTEST_SKIP() << "this filesystem keeps its files in the page cache";
  bring_in(10, 1500);  // needs more than one call of mincore
  struct Case {
    std::size_t offset;
    std::size_t length;
    CacheState expected;
  };
  const std::vector<Case> cases = {
      {10 * kPage, 1500 * kPage, CacheState::whole},
      {10 * kPage + 1, kPage, CacheState::whole},
      {10 * kPage - 1, 1, CacheState::not_whole},
      {10 * kPage - 1, kPage, CacheState::not_whole},
      {1509 * kPage, kPage, CacheState::whole},
      {1509 * kPage, kPage + 1, CacheState::not_whole},
      {10 * kPage, 1501 * kPage, CacheState::not_whole},
  };
  for (const auto& [offset, length, expected] : cases) {
    EXPECT_EQ(mapped_cache_state(mapping_ + offset, length), expected) << offset << " " << length;
    const CacheState told = page_cache_state(descriptor_, offset, length);
    if (told == CacheState::unknown) continue;  // a kernel before 6.5
    EXPECT_EQ(told, expected) << offset << " " << length;
  }
}

TEST_F(PageCache, IsUnknownOfWhatIsNoFile) {
  EXPECT_EQ(page_cache_state(-1, 0, kPage), CacheState::unknown);
}

}  // namespace
}  // namespace expo
