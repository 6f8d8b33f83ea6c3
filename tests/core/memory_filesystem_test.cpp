#include "expo/core/disk/memory_filesystem.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "expo/core/error.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

/// One filesystem under the behaviour suite: its root, and a way to make a link in it.
struct World {
  virtual ~World() = default;
  virtual Filesystem& filesystem() = 0;
  virtual Path root() = 0;
  virtual void link(const Path& target, const Path& link) = 0;
};

struct MemoryWorld : World {
  MemoryFilesystem memory;
  Filesystem& filesystem() override { return memory; }
  Path root() override { return "/"; }
  void link(const Path& target, const Path& link) override { memory.create_link(target, link); }
};

struct PosixWorld : World {
  TemporaryFolder folder;
  Filesystem& filesystem() override { return posix_filesystem(); }
  Path root() override { return std::filesystem::canonical(folder.path()); }
  void link(const Path& target, const Path& link) override {
    std::filesystem::create_symlink(target, link);
  }
};

using MakeWorld = std::unique_ptr<World> (*)();

class FilesystemBehaviour : public ::testing::TestWithParam<MakeWorld> {
 protected:
  FilesystemBehaviour() : world_(GetParam()()), fs_(world_->filesystem()), root_(world_->root()) {}

  std::string text(const Path& path) { return fs_.read_text(path); }

  void expect_error(ErrorCategory category, const Path& named, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error about " << named;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category) << error.what();
      EXPECT_NE(std::string(error.what()).find(named.string()), std::string::npos) << error.what();
    }
  }

  std::unique_ptr<World> world_;
  Filesystem& fs_;
  Path root_;
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string read_part(const ReadableFile& file, std::uint64_t offset, std::size_t length) {
  AlignedBuffer scratch;
  const auto bytes = file.read(offset, length, scratch);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_P(FilesystemBehaviour, WritesAndReadsBack) {
  fs_.write_text(root_ / "f", "hello world");
  const auto file = fs_.open(root_ / "f", Caching::buffered);
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(file->path(), root_ / "f");
  EXPECT_EQ(read_part(*file, 6, 5), "world");
  EXPECT_EQ(read_part(*file, 11, 0), "");
}

TEST_P(FilesystemBehaviour, LargeBlocksGoThroughDirectCachingUnchanged) {
  std::string data(3 * 4096 + 17, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 % 251);
  AlignedBuffer aligned;
  const auto block = aligned.get(data.size());
  std::memcpy(block.data(), data.data(), data.size());
  {
    const auto file = fs_.create(root_ / "f", Caching::direct);
    file->allocate(data.size());
    file->write_at(0, block);
    file->sync();
    file->close();
  }
  const auto file = fs_.open(root_ / "f", Caching::direct);
  EXPECT_EQ(read_part(*file, 0, data.size()), data);
  EXPECT_EQ(read_part(*file, 4095, 4100), data.substr(4095, 4100));
}

TEST_P(FilesystemBehaviour, WritesAnywhereAndFillsWithZeros) {
  const auto file = fs_.create(root_ / "f", Caching::buffered);
  file->write_at(4, bytes_of("xy"));
  file->write_at(0, bytes_of("a"));
  file->close();
  EXPECT_EQ(text(root_ / "f"), std::string("a\0\0\0xy", 6));
}

TEST_P(FilesystemBehaviour, CreateTruncates) {
  fs_.write_text(root_ / "f", "long text");
  fs_.create(root_ / "f", Caching::buffered)->close();
  EXPECT_EQ(text(root_ / "f"), "");
}

TEST_P(FilesystemBehaviour, AllocateExtendsWithZerosAndNeverCuts) {
  const auto file = fs_.create(root_ / "f", Caching::buffered);
  file->write_at(0, bytes_of("abc"));
  file->allocate(6);
  file->allocate(2);
  file->close();
  EXPECT_EQ(text(root_ / "f"), std::string("abc\0\0\0", 6));
}

TEST_P(FilesystemBehaviour, RefusesReadsBeyondTheEnd) {
  fs_.write_text(root_ / "f", "abc");
  const auto file = fs_.open(root_ / "f", Caching::buffered);
  expect_error(ErrorCategory::input, root_ / "f", [&] { read_part(*file, 2, 2); });
  expect_error(ErrorCategory::input, root_ / "f", [&] { read_part(*file, ~std::uint64_t{0}, 1); });
}

TEST_P(FilesystemBehaviour, NoticesThatAnOpenFileWasCutShort) {
  fs_.write_text(root_ / "f", "abcdef");
  const auto file = fs_.open(root_ / "f", Caching::buffered);
  fs_.create(root_ / "f", Caching::buffered)->close();
  EXPECT_EQ(file->size(), 6u);
  expect_error(ErrorCategory::input, root_ / "f", [&] { read_part(*file, 3, 3); });
}

TEST_P(FilesystemBehaviour, OpenFilesOutliveTheirNames) {
  fs_.write_text(root_ / "f", "abc");
  const auto file = fs_.open(root_ / "f", Caching::buffered);
  fs_.remove(root_ / "f");
  EXPECT_FALSE(fs_.exists(root_ / "f"));
  EXPECT_EQ(read_part(*file, 0, 3), "abc");
}

TEST_P(FilesystemBehaviour, WritingAfterCloseFails) {
  const auto file = fs_.create(root_ / "f", Caching::buffered);
  file->close();
  expect_error(ErrorCategory::environment, root_ / "f", [&] { file->write_at(0, bytes_of("a")); });
  expect_error(ErrorCategory::environment, root_ / "f", [&] { file->sync(); });
}

TEST_P(FilesystemBehaviour, MissingAndWrongFiles) {
  fs_.create_directory(root_ / "d");
  fs_.write_text(root_ / "f", "abc");
  expect_error(ErrorCategory::input, root_ / "no",
               [&] { fs_.open(root_ / "no", Caching::direct); });
  expect_error(ErrorCategory::input, root_ / "d", [&] { fs_.open(root_ / "d", Caching::direct); });
  expect_error(ErrorCategory::input, root_ / "f/x",
               [&] { fs_.open(root_ / "f/x", Caching::direct); });
  const auto create = [&](const Path& path) { fs_.create(path, Caching::buffered); };
  expect_error(ErrorCategory::environment, root_ / "d", [&] { create(root_ / "d"); });
  expect_error(ErrorCategory::environment, root_ / "no/f", [&] { create(root_ / "no/f"); });
  expect_error(ErrorCategory::environment, root_ / "f/x", [&] { create(root_ / "f/x"); });
  const Path long_name = root_ / std::string(256, 'n');
  expect_error(ErrorCategory::environment, long_name, [&] { create(long_name); });
  EXPECT_FALSE(fs_.exists(long_name));
  create(root_ / std::string(255, 'n'));
}

TEST_P(FilesystemBehaviour, StatusTellsFilesFromFolders) {
  fs_.create_directory(root_ / "d");
  fs_.write_text(root_ / "f", "abc");
  EXPECT_TRUE(fs_.status(root_ / "d")->is_directory);
  EXPECT_FALSE(fs_.status(root_ / "f")->is_directory);
  EXPECT_FALSE(fs_.status(root_ / "d")->is_regular);
  EXPECT_TRUE(fs_.status(root_ / "f")->is_regular);
  EXPECT_EQ(fs_.status(root_ / "f")->size, 3u);
  EXPECT_FALSE(fs_.status(root_ / "no"));
  EXPECT_FALSE(fs_.status(root_ / "f/below"));
  EXPECT_TRUE(fs_.is_directory(root_ / "d/"));
  EXPECT_TRUE(fs_.is_directory(root_ / "d/.." / "d"));
}

TEST_P(FilesystemBehaviour, ListsSortedNames) {
  for (const char* name : {"b", ".h", "a", "Z"}) fs_.write_text(root_ / name, "");
  fs_.create_directory(root_ / "c");
  EXPECT_EQ(fs_.list(root_), (std::vector<std::string>{".h", "Z", "a", "b", "c"}));
  EXPECT_TRUE(fs_.list(root_ / "c").empty());
  expect_error(ErrorCategory::environment, root_ / "no", [&] { fs_.list(root_ / "no"); });
  expect_error(ErrorCategory::environment, root_ / "a", [&] { fs_.list(root_ / "a"); });
}

TEST_P(FilesystemBehaviour, CreatesFoldersWithTheirParents) {
  fs_.create_directory(root_ / "a/b/c");
  fs_.create_directory(root_ / "a/b/c");
  fs_.create_directory(root_ / "a/d/");
  EXPECT_TRUE(fs_.is_directory(root_ / "a/b/c"));
  EXPECT_TRUE(fs_.is_directory(root_ / "a/d"));
  fs_.write_text(root_ / "f", "");
  expect_error(ErrorCategory::environment, root_ / "f", [&] { fs_.create_directory(root_ / "f"); });
  expect_error(ErrorCategory::environment, root_ / "f/x",
               [&] { fs_.create_directory(root_ / "f/x"); });
}

TEST_P(FilesystemBehaviour, RemovesFilesTreesAndLinksThemselves) {
  fs_.write_text(root_ / "f", "");
  fs_.create_directory(root_ / "d/e");
  fs_.write_text(root_ / "d/e/g", "");
  fs_.create_directory(root_ / "kept");
  fs_.write_text(root_ / "kept/h", "");
  world_->link(root_ / "kept", root_ / "link");
  world_->link(root_ / "kept", root_ / "d/e/link");
  for (const char* name : {"f", "d", "link", "missing", "missing/below"}) fs_.remove(root_ / name);
  EXPECT_EQ(fs_.list(root_), std::vector<std::string>{"kept"});
  EXPECT_TRUE(fs_.exists(root_ / "kept/h"));
}

TEST_P(FilesystemBehaviour, RenameNoReplaceTakesFreeNamesAndEmptyFolders) {
  fs_.create_directory(root_ / "a");
  fs_.write_text(root_ / "a/f", "1");
  fs_.rename_no_replace(root_ / "a", root_ / "b");
  EXPECT_FALSE(fs_.exists(root_ / "a"));
  EXPECT_EQ(text(root_ / "b/f"), "1");
  fs_.create_directory(root_ / "empty");
  fs_.rename_no_replace(root_ / "b", root_ / "empty");
  EXPECT_FALSE(fs_.exists(root_ / "b"));
  EXPECT_EQ(text(root_ / "empty/f"), "1");
}

TEST_P(FilesystemBehaviour, RenameNoReplaceRefusesWhatIsThere) {
  fs_.create_directory(root_ / "full");
  fs_.write_text(root_ / "full/old", "old");
  fs_.create_directory(root_ / "new");
  fs_.write_text(root_ / "new/f", "");
  fs_.write_text(root_ / "file", "file");
  fs_.write_text(root_ / "other", "other");
  const auto rename = [&](const char* from, const char* to) {
    fs_.rename_no_replace(root_ / from, root_ / to);
  };
  expect_error(ErrorCategory::usage, root_ / "full", [&] { rename("new", "full"); });
  expect_error(ErrorCategory::usage, root_ / "file", [&] { rename("new", "file"); });
  expect_error(ErrorCategory::usage, root_ / "file", [&] { rename("other", "file"); });
  world_->link("nothing", root_ / "dangling");
  expect_error(ErrorCategory::usage, root_ / "dangling", [&] { rename("new", "dangling"); });
  expect_error(ErrorCategory::usage, root_ / "dangling", [&] { rename("other", "dangling"); });
  expect_error(ErrorCategory::environment, root_, [&] { rename("missing", "x"); });
  expect_error(ErrorCategory::environment, root_, [&] { rename("new", "missing/x"); });
  expect_error(ErrorCategory::environment, root_, [&] { rename("new", "new/inside"); });
  EXPECT_EQ(text(root_ / "full/old"), "old");
  EXPECT_EQ(text(root_ / "file"), "file");
  EXPECT_EQ(text(root_ / "other"), "other");
  EXPECT_TRUE(fs_.exists(root_ / "new/f"));
}

TEST_P(FilesystemBehaviour, RenameExchangeSwaps) {
  fs_.create_directory(root_ / "a");
  fs_.write_text(root_ / "a/f", "1");
  fs_.create_directory(root_ / "b");
  fs_.write_text(root_ / "b/f", "2");
  fs_.rename_exchange(root_ / "a", root_ / "b");
  EXPECT_EQ(text(root_ / "a/f"), "2");
  EXPECT_EQ(text(root_ / "b/f"), "1");
  expect_error(ErrorCategory::environment, root_ / "no",
               [&] { fs_.rename_exchange(root_ / "a", root_ / "no"); });
  expect_error(ErrorCategory::environment, root_ / "a",
               [&] { fs_.rename_exchange(root_ / "no", root_ / "a"); });
  fs_.create_directory(root_ / "a/in");
  expect_error(ErrorCategory::environment, root_ / "a/in",
               [&] { fs_.rename_exchange(root_ / "a", root_ / "a/in"); });
}

TEST_P(FilesystemBehaviour, RenameReplaceReplacesFilesOnly) {
  fs_.write_text(root_ / "a", "1");
  fs_.write_text(root_ / "b", "2");
  const auto old = fs_.open(root_ / "b", Caching::buffered);
  fs_.rename_replace(root_ / "a", root_ / "b");
  EXPECT_FALSE(fs_.exists(root_ / "a"));
  EXPECT_EQ(text(root_ / "b"), "1");
  EXPECT_EQ(read_part(*old, 0, 1), "2");
  fs_.create_directory(root_ / "d");
  expect_error(ErrorCategory::environment, root_ / "d",
               [&] { fs_.rename_replace(root_ / "b", root_ / "d"); });
  expect_error(ErrorCategory::environment, root_ / "b",
               [&] { fs_.rename_replace(root_ / "d", root_ / "b"); });
  expect_error(ErrorCategory::environment, root_,
               [&] { fs_.rename_replace(root_ / "no", root_ / "b"); });
}

TEST_P(FilesystemBehaviour, AddNameSharesTheBytes) {
  fs_.create_directory(root_ / "d");
  fs_.write_text(root_ / "a", "old");
  world_->link("a", root_ / "to");
  ASSERT_TRUE(fs_.add_name(root_ / "to", root_ / "d/b"));
  EXPECT_EQ(fs_.status(root_ / "d/b")->size, 3u);
  fs_.create(root_ / "a", Caching::buffered)->write_at(0, bytes_of("written"));
  EXPECT_EQ(text(root_ / "d/b"), "written");
  fs_.write_text(root_ / "new", "put in its place");
  fs_.rename_replace(root_ / "new", root_ / "a");
  EXPECT_EQ(text(root_ / "d/b"), "written");
  fs_.remove(root_ / "a");
  EXPECT_EQ(text(root_ / "d/b"), "written");
}

TEST_P(FilesystemBehaviour, AddNameReplacesNothingAndTakesNoFolder) {
  fs_.write_text(root_ / "a", "1");
  fs_.write_text(root_ / "b", "2");
  fs_.create_directory(root_ / "d");
  const auto refused = [&](const Path& file, const Path& name) {
    expect_error(ErrorCategory::environment, name, [&] { fs_.add_name(file, name); });
  };
  refused(root_ / "a", root_ / "b");
  refused(root_ / "a", root_ / "a");
  refused(root_ / "no", root_ / "c");
  refused(root_ / "a", root_ / "no/c");
  EXPECT_FALSE(fs_.add_name(root_ / "d", root_ / "e"));
  EXPECT_EQ(text(root_ / "b"), "2");
  EXPECT_EQ(fs_.list(root_), (std::vector<std::string>{"a", "b", "d"}));
}

TEST_P(FilesystemBehaviour, FollowsLinks) {
  fs_.create_directory(root_ / "real");
  fs_.write_text(root_ / "real/f", "abc");
  world_->link(root_ / "real", root_ / "absolute");
  world_->link("real/f", root_ / "relative");
  world_->link("../real", root_ / "real/up");
  EXPECT_EQ(text(root_ / "absolute/f"), "abc");
  EXPECT_EQ(text(root_ / "relative"), "abc");
  EXPECT_EQ(text(root_ / "real/up/up/f"), "abc");
  EXPECT_EQ(fs_.canonical(root_ / "absolute/up/../real/f"), root_ / "real/f");
  EXPECT_TRUE(fs_.is_directory(root_ / "absolute"));
  world_->link("nothing", root_ / "dangling");
  EXPECT_FALSE(fs_.exists(root_ / "dangling"));
  EXPECT_EQ(fs_.list(root_),
            (std::vector<std::string>{"absolute", "dangling", "real", "relative"}));
  fs_.write_text(root_ / "dangling", "made");
  EXPECT_EQ(text(root_ / "nothing"), "made");
  world_->link("loop", root_ / "loop");
  expect_error(ErrorCategory::environment, root_ / "loop", [&] { fs_.status(root_ / "loop"); });
}

TEST_P(FilesystemBehaviour, CanonicalResolvesWhatExists) {
  fs_.create_directory(root_ / "real/sub");
  world_->link("real", root_ / "link");
  EXPECT_EQ(fs_.canonical(root_ / "link/sub/../new/x"), root_ / "real/new/x");
  EXPECT_EQ(fs_.canonical(root_ / "link/"), root_ / "real");
  EXPECT_EQ(fs_.canonical(root_ / "no/./a/../b//c"), root_ / "no/b/c");
  world_->link("nowhere", root_ / "dangling");
  EXPECT_EQ(fs_.canonical(root_ / "dangling"), root_ / "dangling");
  EXPECT_TRUE(fs_.canonical("relative").is_absolute());
  EXPECT_EQ(fs_.canonical("/"), Path("/"));
}

TEST_P(FilesystemBehaviour, LocksExcludeEachOther) {
  auto lock = fs_.try_lock(root_ / "lock");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(fs_.exists(root_ / "lock"));
  EXPECT_FALSE(fs_.try_lock(root_ / "lock"));
  EXPECT_TRUE(fs_.try_lock(root_ / "other"));
  lock.reset();
  lock = fs_.try_lock(root_ / "lock");
  EXPECT_TRUE(lock);
  fs_.remove(root_ / "lock");
  EXPECT_TRUE(fs_.try_lock(root_ / "lock"));
  expect_error(ErrorCategory::environment, root_ / "no/lock",
               [&] { fs_.try_lock(root_ / "no/lock"); });
}

/// A holder removes the lock file as its last act, so other threads open files that are about to
/// vanish; a lock on such a file must not count beside a lock on the next file of that name.
TEST_P(FilesystemBehaviour, LocksExcludeEachOtherWhileTheirFilesComeAndGo) {
  std::atomic<int> inside{0};
  std::atomic<int> entered{0};
  std::atomic<int> overlaps{0};
  const auto contend = [&] {
    for (int i = 0; i < 2000; ++i) {
      const auto lock = fs_.try_lock(root_ / "lock");
      if (!lock) continue;
      if (inside.fetch_add(1) != 0) ++overlaps;
      ++entered;
      std::this_thread::yield();
      inside.fetch_sub(1);
      fs_.remove(root_ / "lock");
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(contend);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(entered, 0);
  EXPECT_EQ(overlaps, 0);
}

TEST_P(FilesystemBehaviour, SyncsFoldersThatExist) {
  fs_.create_directory(root_ / "d");
  fs_.sync_directory(root_ / "d");
  expect_error(ErrorCategory::environment, root_ / "no", [&] { fs_.sync_directory(root_ / "no"); });
}

TEST_P(FilesystemBehaviour, TimesOfChangeAdvance) {
  fs_.write_text(root_ / "f", "a");
  const auto before = fs_.status(root_ / "f")->modified_ns;
  fs_.write_text(root_ / "f", "b");
  EXPECT_GE(fs_.status(root_ / "f")->modified_ns, before);
}

TEST_P(FilesystemBehaviour, FreeBytesOfAFolderToBe) {
  EXPECT_GT(fs_.free_bytes(root_ / "not/yet/there"), 0u);
}

TEST_P(FilesystemBehaviour, ThreadsWriteDisjointRanges) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kPieces = 200;
  const auto file = fs_.create(root_ / "f", Caching::buffered);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string piece(7, static_cast<char>('a' + t));
      for (std::size_t i = 0; i < kPieces; ++i)
        file->write_at((i * kThreads + t) * piece.size(), bytes_of(piece));
    });
  }
  for (std::thread& thread : threads) thread.join();
  file->close();
  std::string expected;
  for (std::size_t i = 0; i < kThreads * kPieces; ++i)
    expected += std::string(7, static_cast<char>('a' + i % kThreads));
  EXPECT_EQ(text(root_ / "f"), expected);
}

INSTANTIATE_TEST_SUITE_P(All, FilesystemBehaviour,
                         ::testing::Values(MakeWorld([]() -> std::unique_ptr<World> {
                                             return std::make_unique<MemoryWorld>();
                                           }),
                                           MakeWorld([]() -> std::unique_ptr<World> {
                                             return std::make_unique<PosixWorld>();
                                           })),
                         [](const auto& world) { return world.index == 0 ? "Memory" : "Posix"; });

std::string reason_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment);
    return error.what();
  }
  return "";
}

TEST(MemoryFilesystem, AFullDiskCutsWritesOffAndSaysSo) {
  MemoryFilesystem memory(10);
  const auto file = memory.create("/f", Caching::buffered);
  file->write_at(0, bytes_of("123456"));
  EXPECT_EQ(memory.free_bytes("/"), 4u);
  EXPECT_NE(reason_of([&] { file->write_at(6, bytes_of("789abc")); }).find("No space left"),
            std::string::npos);
  EXPECT_EQ(memory.read_text("/f"), "123456789a");
  EXPECT_NE(reason_of([&] { file->allocate(11); }).find("No space left"), std::string::npos);
  EXPECT_EQ(memory.free_bytes("/"), 0u);
}

TEST(MemoryFilesystem, SpaceComesBackWhenTheLastHandleGoes) {
  MemoryFilesystem memory(10);
  memory.write_text("/f", "12345678");
  auto file = memory.open("/f", Caching::buffered);
  memory.remove("/f");
  EXPECT_EQ(memory.free_bytes("/"), 2u);
  file.reset();
  EXPECT_EQ(memory.free_bytes("/"), 10u);
  memory.set_capacity(3);
  EXPECT_EQ(memory.free_bytes("/"), 3u);
}

TEST(MemoryFilesystem, AFileOfTwoNamesTakesItsSpaceOnce) {
  MemoryFilesystem memory(10);
  memory.write_text("/f", "12345678");
  EXPECT_TRUE(memory.add_name("/f", "/g"));
  EXPECT_EQ(memory.free_bytes("/"), 2u);
  memory.remove("/f");
  EXPECT_EQ(memory.free_bytes("/"), 2u);
  memory.make_durable();
  memory.lose_power();
  EXPECT_EQ(memory.read_text("/g"), "12345678");
  memory.set_hard_links(false);
  EXPECT_FALSE(memory.add_name("/g", "/h"));
  EXPECT_EQ(memory.list("/"), std::vector<std::string>{"g"});
  memory.remove("/g");
  memory.make_durable();
  EXPECT_EQ(memory.free_bytes("/"), 10u);
}

TEST(MemoryFilesystem, PowerLossLeavesWhatWasSynced) {
  MemoryFilesystem memory;
  memory.create_directory("/d");
  memory.write_text("/d/kept", "kept");
  memory.create("/d/empty", Caching::buffered)->write_at(0, bytes_of("lost"));
  memory.sync_directory("/d");
  memory.sync_directory("/");
  memory.write_text("/d/late", "its name was never synced");
  memory.create("/d/kept", Caching::buffered)->write_at(0, bytes_of("unsynced"));
  memory.rename_replace("/d", "/e");
  memory.lose_power();
  EXPECT_EQ(memory.list("/"), std::vector<std::string>{"d"});
  EXPECT_EQ(memory.list("/d"), (std::vector<std::string>{"empty", "kept"}));
  EXPECT_EQ(memory.read_text("/d/kept"), "kept");
  EXPECT_EQ(memory.read_text("/d/empty"), "");
}

TEST(MemoryFilesystem, MakeDurableSyncsEverything) {
  MemoryFilesystem memory;
  memory.create_directory("/d");
  memory.create("/d/f", Caching::buffered)->write_at(0, bytes_of("text"));
  memory.make_durable();
  memory.remove("/d/f");
  memory.lose_power();
  EXPECT_EQ(memory.read_text("/d/f"), "text");
  memory.remove("/d");
  memory.lose_power();
  EXPECT_EQ(memory.list("/"), std::vector<std::string>{"d"});
  EXPECT_TRUE(memory.list("/d").empty());
}

}  // namespace
}  // namespace expo
