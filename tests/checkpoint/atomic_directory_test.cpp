#include "expo/checkpoint/output/atomic_directory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "checkpoint/atomic_run.h"
#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

class AtomicDirectoryInMemory : public ::testing::Test {
 protected:
  AtomicDirectoryInMemory() {
    fs_.create_directory("/disk");
    fs_.make_durable();
  }

  void put_old() {
    write_files(fs_, kOut, kOld);
    fs_.make_durable();
  }

  void expect_refused(const Path& out, const AtomicDirectoryOptions& options,
                      const std::string& part) {
    const FolderFiles before = files_in(fs_, "/");
    EXPECT_TRUE(
        contains(refusal(ErrorCategory::usage, [&] { AtomicDirectory(fs_, out, options); }), part));
    EXPECT_TRUE(same_files(files_in(fs_, "/"), before));
    EXPECT_TRUE(contains(
        refusal(ErrorCategory::usage, [&] { check_destination(fs_, out, options); }), part));
  }

  MemoryFilesystem fs_;
};

TEST_F(AtomicDirectoryInMemory, AppearsAtCommit) {
  AtomicDirectory directory(fs_, kOut, {});
  EXPECT_EQ(directory.destination(), kOut);
  EXPECT_EQ(directory.partial(), "/disk/.out.expo-partial");
  EXPECT_FALSE(directory.resumed());
  write_files(fs_, directory.partial(), kNew);
  fs_.write_text(directory.partial() / ".expo-journal.json", "{}");
  EXPECT_FALSE(fs_.exists(kOut));
  directory.commit();
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, IsOnTheDiskAfterCommit) {
  run_once(fs_, "/new/parents/out", {});
  fs_.lose_power();
  EXPECT_TRUE(same_files(files_in(fs_, "/new/parents/out"), kNew));
  write_files(fs_, kOut, kOld);
  fs_.make_durable();
  run_once(fs_, kOut, {.overwrite = true});
  fs_.lose_power();
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
}

TEST_F(AtomicDirectoryInMemory, GoesAwayWithoutCommit) {
  {
    AtomicDirectory directory(fs_, kOut, {});
    write_files(fs_, directory.partial(), kNew);
  }
  EXPECT_TRUE(fs_.list("/disk").empty());
  AtomicDirectory directory(fs_, kOut, {});
  directory.abandon();
  EXPECT_TRUE(fs_.list("/disk").empty());
}

TEST_F(AtomicDirectoryInMemory, ReplacesAnEmptyFolderWithoutBeingAsked) {
  fs_.create_directory(kOut);
  run_once(fs_, kOut, {});
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, RefusesAFullFolderWithTheRemedy) {
  put_old();
  expect_refused(kOut, {}, "--overwrite");
  expect_refused(kOut, {.resume = true}, "--overwrite");
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kOld));
}

TEST_F(AtomicDirectoryInMemory, OverwriteExchangesAndRemovesTheOldOne) {
  put_old();
  run_once(fs_, kOut, {.overwrite = true});
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, OverwritesWhereExchangeIsUnsupported) {
  put_old();
  FaultInjectingFilesystem faults(fs_);
  faults.inject({.call = FileCall::rename_exchange, .error = EINVAL, .lasting = true});
  run_once(faults, kOut, {.overwrite = true});
  EXPECT_TRUE(faults.struck());
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, OverwriteSparesWhatIsNoSingleCheckpoint) {
  const std::vector<std::pair<FolderFiles, std::string>> worlds = {
      {{{"notes.txt", "x"}}, "does not look like a checkpoint"},
      {{{"config.json", "{}"}}, "does not look like a checkpoint"},
      {{{"model.safetensors", ""}, {"train.py", ""}}, "does not look like a checkpoint"},
      {{{"config.json", "{}"}, {"model.safetensors", ""}, {".git/HEAD", ""}}, ".git"},
      {{{"config.json", "{}"}, {"model.safetensors", ""}, {".bashrc", ""}}, ".bashrc"},
      {{{"config.json", "{}"}, {"model.bin", ""}, {"checkpoint-5/m.safetensors", ""}},
       "checkpoint-5"}};
  for (std::size_t i = 0; i < worlds.size(); ++i) {
    const Path out = fmt::format("/disk/{}", i);
    write_files(fs_, out, worlds[i].first);
    expect_refused(out, {.overwrite = true}, worlds[i].second);
  }
}

TEST_F(AtomicDirectoryInMemory, OverwriteTakesCheckpointsOfEveryKind) {
  const std::vector<FolderFiles> worlds = {
      {{"adapter_config.json", "{}"}, {"adapter_model.bin", ""}},
      {{"run.json", "{}"}, {"model.gguf", ""}},
      {{"config.json", "{}"}, {"a.safetensors", ""}, {".cache/x", ""}, {"templates/t.jinja", ""}}};
  for (std::size_t i = 0; i < worlds.size(); ++i) {
    const Path out = fmt::format("/disk/{}", i);
    write_files(fs_, out, worlds[i]);
    run_once(fs_, out, {.overwrite = true});
    EXPECT_TRUE(same_files(files_in(fs_, out), kNew));
  }
}

TEST_F(AtomicDirectoryInMemory, RefusesDestinationsThatAreNoFolder) {
  fs_.write_text("/disk/file", "text");
  fs_.create_link("nowhere", "/disk/dangling");
  expect_refused("", {}, "no name");
  expect_refused("/", {.overwrite = true}, "root");
  expect_refused("/disk/..", {.overwrite = true}, "root");
  expect_refused("/disk/file", {.overwrite = true}, "is a file");
  expect_refused("/disk/file/out", {}, "/disk/file: is a file");
  expect_refused("/disk/dangling", {}, "link to something that does not exist");
}

TEST_F(AtomicDirectoryInMemory, RefusesToTouchAnInput) {
  write_files(fs_, "/models/a", kOld);
  write_files(fs_, "/cache/blobs", {{"123", "weights"}});
  write_files(fs_, "/snapshot", {{"config.json", "{}"}, {"x.safetensors", "x"}});
  fs_.create_link("/cache/blobs/123", "/snapshot/model.safetensors");
  fs_.create_link("/models", "/shortcut");
  const auto with = [](const Path& input) {
    return AtomicDirectoryOptions{.overwrite = true, .inputs = {input}};
  };
  expect_refused("/models/a", with("/models/a"), "is an input");
  expect_refused("/shortcut/a", with("/models/a"), "is an input");
  expect_refused("/models/a/", with("/shortcut/../models/a"), "is an input");
  expect_refused("/models/a/out", with("/models/a"), "inside the input");
  expect_refused("/shortcut/a/deep/out", with("/models/a"), "inside the input");
  expect_refused("/models", with("/models/a"), "holds /models/a");
  expect_refused("/models/a", with("/models/a/model.safetensors"), "holds /models/a/model");
  expect_refused("/cache/blobs", with("/snapshot"), "belongs to the input /snapshot");
  expect_refused("/disk/out", with("/disk/.out.expo-partial"), "which contains the input");
  expect_refused("/disk/out", with("/disk/.out.expo-replaced/m.bin"), "which contains the input");
}

TEST_F(AtomicDirectoryInMemory, TakesDestinationsBesideInputs) {
  write_files(fs_, "/models/a", kOld);
  run_once(fs_, "/models/a-new", {.inputs = {"/models/a"}});
  run_once(fs_, "/models/a/out", {.inputs = {"/models/a/model.safetensors"}});
  EXPECT_TRUE(same_files(files_in(fs_, "/models/a-new"), kNew));
  EXPECT_TRUE(same_files(files_in(fs_, "/models/a/out"), kNew));
}

TEST_F(AtomicDirectoryInMemory, GoesWhereALinkLeads) {
  fs_.create_directory("/far/empty");
  fs_.create_link("/far/empty", "/disk/link");
  AtomicDirectory directory(fs_, "/disk/link", {});
  EXPECT_EQ(directory.destination(), "/far/empty");
  EXPECT_EQ(directory.partial(), "/far/.empty.expo-partial");
  write_files(fs_, directory.partial(), kNew);
  directory.commit();
  EXPECT_TRUE(same_files(files_in(fs_, "/disk/link"), kNew));
}

TEST_F(AtomicDirectoryInMemory, KeepsASecondWriterOut) {
  AtomicDirectory first(fs_, kOut, {});
  const auto message =
      refusal(ErrorCategory::environment, [&] { AtomicDirectory(fs_, kOut, {.resume = true}); });
  EXPECT_TRUE(contains(message, "another run is writing"));
  EXPECT_TRUE(fs_.exists(first.partial()));
  AtomicDirectory elsewhere(fs_, "/disk/out2", {});
  first.commit();
  refusal(ErrorCategory::environment, [&] { AtomicDirectory(fs_, "/disk/out2", {}); });
  AtomicDirectory again(fs_, kOut, {});  // the committed folder is empty
}

TEST_F(AtomicDirectoryInMemory, SparesWhatCameToTheDestinationMeanwhile) {
  AtomicDirectory directory(fs_, kOut, {});
  write_files(fs_, directory.partial(), kNew);
  directory.keep_on_failure(true);
  put_old();
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { directory.commit(); }), "--overwrite"));
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kOld));
  EXPECT_TRUE(same_files(files_in(fs_, directory.partial()), kNew));
}

TEST_F(AtomicDirectoryInMemory, TellsWhereAFinishedCheckpointIsThatCouldNotBePlaced) {
  FaultInjectingFilesystem faults(fs_);
  AtomicDirectory directory(faults, kOut, {});
  write_files(fs_, directory.partial(), kNew);
  directory.keep_on_failure(true);
  faults.inject({.call = FileCall::rename_no_replace, .lasting = true});
  EXPECT_TRUE(contains(refusal(ErrorCategory::environment, [&] { directory.commit(); }),
                       "kept in /disk/.out.expo-partial"));
  directory.abandon();
  EXPECT_TRUE(same_files(files_in(fs_, directory.partial()), kNew));
}

/// Leaves the files of a run that was stopped half-way and may be resumed.
void interrupt(Filesystem& filesystem, const FolderFiles& files) {
  AtomicDirectory directory(filesystem, kOut, {});
  directory.keep_on_failure(true);
  write_files(filesystem, directory.partial(), files);
}

TEST_F(AtomicDirectoryInMemory, ResumeTakesOverWhatAJournalVouchesFor) {
  const FolderFiles left = {{".expo-journal.json", "{}"}, {"shard", "done"}};
  interrupt(fs_, left);
  {
    AtomicDirectory directory(fs_, kOut, {.resume = true});
    EXPECT_TRUE(directory.resumed());
    EXPECT_TRUE(same_files(files_in(fs_, directory.partial()), left));
  }
  // A resumed run that fails before it has decided anything leaves the files for the next run.
  AtomicDirectory directory(fs_, kOut, {.resume = true});
  EXPECT_TRUE(directory.resumed());
  directory.commit();
  EXPECT_TRUE(same_files(files_in(fs_, kOut), (FolderFiles{{"shard", "done"}})));
}

TEST_F(AtomicDirectoryInMemory, ResumeStartsAfreshWithoutAJournal) {
  interrupt(fs_, {{"shard", "half"}});
  AtomicDirectory directory(fs_, kOut, {.resume = true});
  EXPECT_FALSE(directory.resumed());
  EXPECT_TRUE(fs_.list(directory.partial()).empty());
}

TEST_F(AtomicDirectoryInMemory, StartOverEmptiesWhatWasTakenOver) {
  interrupt(fs_, {{".expo-journal.json", "{}"}, {"model-00001-of-00009.safetensors", "x"}});
  AtomicDirectory directory(fs_, kOut, {.resume = true});
  ASSERT_TRUE(directory.resumed());
  directory.start_over();
  EXPECT_FALSE(directory.resumed());
  EXPECT_TRUE(fs_.list(directory.partial()).empty());
}

TEST_F(AtomicDirectoryInMemory, WithoutResumeAStaleFolderIsRemoved) {
  interrupt(fs_, {{".expo-journal.json", "{}"}, {"shard", "done"}});
  run_once(fs_, kOut, {});
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kNew));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, BringsBackWhatADeadRunHadMovedAside) {
  write_files(fs_, "/disk/.out.expo-replaced", kOld);
  expect_refused("/disk/file-to-be/../out", {.inputs = {"/disk/.out.expo-replaced"}}, "input");
  refusal(ErrorCategory::usage, [&] { AtomicDirectory(fs_, kOut, {}); });
  EXPECT_TRUE(same_files(files_in(fs_, kOut), kOld));
  EXPECT_EQ(fs_.list("/disk"), std::vector<std::string>{"out"});
}

// Tests on the machine's own filesystem

TEST(AtomicDirectoryOnDisk, WritesOverwritesAndCleansUp) {
  const TemporaryFolder folder;
  Filesystem& fs = posix_filesystem();
  run_once(fs, folder / "a/b/out", {});
  EXPECT_TRUE(same_files(files_in(fs, folder / "a/b/out"), kNew));
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { run_once(fs, folder / "a/b/out", {}); }),
                       "--overwrite"));
  fs.write_text(folder / "a/b/out/more.md", "gone with the old one");
  run_once(fs, folder / "a/b/out", {.overwrite = true});
  EXPECT_TRUE(same_files(files_in(fs, folder / "a/b/out"), kNew));
  EXPECT_EQ(fs.list(folder / "a/b"), std::vector<std::string>{"out"});
}

TEST(AtomicDirectoryOnDisk, RefusesTheWorkingFolderAndThoseAroundIt) {
  const TemporaryFolder folder;
  Filesystem& fs = posix_filesystem();
  const Path before = std::filesystem::current_path();
  fs.create_directory(folder / "in");
  std::filesystem::current_path(folder / "in");
  for (const Path& out : {Path("."), Path(".."), Path("../in")}) {
    EXPECT_TRUE(contains(
        refusal(ErrorCategory::usage, [&] { check_destination(fs, out, {.overwrite = true}); }),
        "working folder"));
  }
  run_once(fs, "out", {});
  std::filesystem::current_path(before);
  EXPECT_TRUE(same_files(files_in(fs, folder / "in/out"), kNew));
}

/// Several writers of one destination, each with its own text in every file; returns whether this
/// one succeeded.
bool write_own(const Path& out, char letter) {
  Filesystem& fs = posix_filesystem();
  try {
    AtomicDirectory directory(fs, out, {.overwrite = true});
    for (const auto& [name, text] : kNew) {
      fs.create_directory((directory.partial() / name).parent_path());
      fs.write_text(directory.partial() / name, std::string(1000, letter));
    }
    directory.commit();
    return true;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::environment ||
        std::string(error.what()).find("another run is writing") == std::string::npos) {
      ADD_FAILURE() << error.what();
    }
    return false;
  }
}

void expect_of_one_writer(const Path& out) {
  const FolderFiles files = files_in(posix_filesystem(), out);
  ASSERT_EQ(files.size(), kNew.size());
  const std::string& first = files.begin()->second;
  EXPECT_EQ(first.size(), 1000u);
  for (const auto& [name, text] : files) EXPECT_EQ(text, first) << name;
  EXPECT_EQ(posix_filesystem().list(out.parent_path()), std::vector<std::string>{"out"});
}

TEST(AtomicDirectoryOnDisk, ThreadsTakeTurnsOrAreRefused) {
  const TemporaryFolder folder;
  std::atomic<int> written{0};
  std::vector<std::thread> threads;
  for (char letter = 'a'; letter < 'e'; ++letter) {
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 15; ++i) written += write_own(folder / "out", letter);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(written, 0);
  expect_of_one_writer(folder / "out");
}

TEST(AtomicDirectoryOnDisk, ProcessesTakeTurnsOrAreRefused) {
  const TemporaryFolder folder;
  std::vector<pid_t> children;
  for (char letter = 'a'; letter < 'c'; ++letter) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int written = 0;
      for (int i = 0; i < 30; ++i) written += write_own(folder / "out", letter);
      ::_exit(::testing::Test::HasFailure() ? 2 : written > 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  int successes = 0;
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_NE(WEXITSTATUS(status), 2);
    successes += WEXITSTATUS(status) == 0;
  }
  EXPECT_GT(successes, 0);
  expect_of_one_writer(folder / "out");
}

TEST(AtomicDirectoryOnDisk, TheLockOfADeadProcessIsFree) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    AtomicDirectory directory(posix_filesystem(), folder / "out", {});
    write_files(posix_filesystem(), directory.partial(), {{".expo-journal.json", "{}"}});
    ::_exit(0);  // without destructors, as a killed process
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(posix_filesystem().exists(folder / ".out.expo-lock"));
  EXPECT_TRUE(AtomicDirectory(posix_filesystem(), folder / "out", {.resume = true}).resumed());
  run_once(posix_filesystem(), folder / "out", {});
  EXPECT_TRUE(same_files(files_in(posix_filesystem(), folder / "out"), kNew));
  EXPECT_EQ(posix_filesystem().list(folder.path()), std::vector<std::string>{"out"});
}

}  // namespace
}  // namespace expo
