#include "expo/checkpoint/atomic_directory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "expo/core/error.h"
#include "expo/core/fault_injecting_filesystem.h"
#include "expo/core/memory_filesystem.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using Path = std::filesystem::path;
using Files = std::map<std::string, std::string>;  // below a folder, by relative path

const Path kOut = "/work/out";
const Files kNew = {{"config.json", "{\"new\":1}"},
                    {"model-00001-of-00002.safetensors", "first shard"},
                    {"model-00002-of-00002.safetensors", "second shard"},
                    {"extra/template.txt", "text"}};
const Files kOld = {{"config.json", "{}"}, {"model.safetensors", "old weights"}};

void collect(Filesystem& filesystem, const Path& folder, const std::string& prefix, Files& files) {
  for (const std::string& name : filesystem.list(folder)) {
    if (filesystem.is_directory(folder / name)) {
      collect(filesystem, folder / name, prefix + name + "/", files);
    } else if (filesystem.exists(folder / name)) {
      files[prefix + name] = filesystem.read_text(folder / name);
    }
  }
}

Files files_in(Filesystem& filesystem, const Path& folder) {
  Files files;
  if (filesystem.is_directory(folder)) collect(filesystem, folder, "", files);
  return files;
}

void write_files(Filesystem& filesystem, const Path& folder, const Files& files) {
  for (const auto& [name, text] : files) {
    filesystem.create_directory((folder / name).parent_path());
    filesystem.write_text(folder / name, text);
  }
}

/// A run as the pipeline makes it: a journal of the run's own, the files, the commit.
void run_once(Filesystem& filesystem, const Path& out, const AtomicDirectoryOptions& options,
              bool keep = true) {
  AtomicDirectory directory(filesystem, out, options);
  directory.keep_on_failure(keep);
  filesystem.write_text(directory.partial() / ".expo-journal.json", "{}");
  write_files(filesystem, directory.partial(), kNew);
  directory.commit();
}

std::string refusal(ErrorCategory category, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "was accepted";
  return "";
}

void expect_mentions(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

class AtomicDirectoryInMemory : public ::testing::Test {
 protected:
  AtomicDirectoryInMemory() {
    fs_.create_directory("/work");
    fs_.make_durable();
  }

  void put_old() {
    write_files(fs_, kOut, kOld);
    fs_.make_durable();
  }

  void expect_refused(const Path& out, const AtomicDirectoryOptions& options,
                      const std::string& part) {
    const Files before = files_in(fs_, "/");
    expect_mentions(refusal(ErrorCategory::usage, [&] { AtomicDirectory(fs_, out, options); }),
                    part);
    EXPECT_EQ(files_in(fs_, "/"), before);
    expect_mentions(refusal(ErrorCategory::usage, [&] { check_destination(fs_, out, options); }),
                    part);
  }

  MemoryFilesystem fs_;
};

TEST_F(AtomicDirectoryInMemory, AppearsAtCommit) {
  AtomicDirectory directory(fs_, kOut, {});
  EXPECT_EQ(directory.destination(), kOut);
  EXPECT_EQ(directory.partial(), "/work/.out.expo-partial");
  EXPECT_FALSE(directory.resumed());
  write_files(fs_, directory.partial(), kNew);
  fs_.write_text(directory.partial() / ".expo-journal.json", "{}");
  EXPECT_FALSE(fs_.exists(kOut));
  directory.commit();
  EXPECT_EQ(files_in(fs_, kOut), kNew);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, IsOnTheDiskAfterCommit) {
  run_once(fs_, "/new/parents/out", {});
  fs_.lose_power();
  EXPECT_EQ(files_in(fs_, "/new/parents/out"), kNew);
  write_files(fs_, kOut, kOld);
  fs_.make_durable();
  run_once(fs_, kOut, {.overwrite = true});
  fs_.lose_power();
  EXPECT_EQ(files_in(fs_, kOut), kNew);
}

TEST_F(AtomicDirectoryInMemory, GoesAwayWithoutCommit) {
  {
    AtomicDirectory directory(fs_, kOut, {});
    write_files(fs_, directory.partial(), kNew);
  }
  EXPECT_TRUE(fs_.list("/work").empty());
  AtomicDirectory directory(fs_, kOut, {});
  directory.abandon();
  EXPECT_TRUE(fs_.list("/work").empty());
}

TEST_F(AtomicDirectoryInMemory, ReplacesAnEmptyFolderWithoutBeingAsked) {
  fs_.create_directory(kOut);
  run_once(fs_, kOut, {});
  EXPECT_EQ(files_in(fs_, kOut), kNew);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, RefusesAFullFolderWithTheRemedy) {
  put_old();
  expect_refused(kOut, {}, "--overwrite");
  expect_refused(kOut, {.resume = true}, "--overwrite");
  EXPECT_EQ(files_in(fs_, kOut), kOld);
}

TEST_F(AtomicDirectoryInMemory, OverwriteExchangesAndRemovesTheOldOne) {
  put_old();
  run_once(fs_, kOut, {.overwrite = true});
  EXPECT_EQ(files_in(fs_, kOut), kNew);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, OverwritesWhereExchangeIsUnsupported) {
  put_old();
  FaultInjectingFilesystem faults(fs_);
  faults.inject({.call = FileCall::rename_exchange, .error = EINVAL, .lasting = true});
  run_once(faults, kOut, {.overwrite = true});
  EXPECT_TRUE(faults.struck());
  EXPECT_EQ(files_in(fs_, kOut), kNew);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, OverwriteSparesWhatIsNoSingleCheckpoint) {
  const std::vector<std::pair<Files, std::string>> worlds = {
      {{{"notes.txt", "x"}}, "does not look like a checkpoint"},
      {{{"config.json", "{}"}}, "does not look like a checkpoint"},
      {{{"model.safetensors", ""}, {"train.py", ""}}, "does not look like a checkpoint"},
      {{{"config.json", "{}"}, {"model.safetensors", ""}, {".git/HEAD", ""}}, ".git"},
      {{{"config.json", "{}"}, {"model.safetensors", ""}, {".bashrc", ""}}, ".bashrc"},
      {{{"config.json", "{}"}, {"model.bin", ""}, {"checkpoint-5/m.safetensors", ""}},
       "checkpoint-5"}};
  for (std::size_t i = 0; i < worlds.size(); ++i) {
    const Path out = fmt::format("/work/{}", i);
    write_files(fs_, out, worlds[i].first);
    expect_refused(out, {.overwrite = true}, worlds[i].second);
  }
}

TEST_F(AtomicDirectoryInMemory, OverwriteTakesCheckpointsOfEveryKind) {
  const std::vector<Files> worlds = {
      {{"adapter_config.json", "{}"}, {"adapter_model.bin", ""}},
      {{"run.json", "{}"}, {"model.gguf", ""}},
      {{"config.json", "{}"}, {"a.safetensors", ""}, {".cache/x", ""}, {"templates/t.jinja", ""}}};
  for (std::size_t i = 0; i < worlds.size(); ++i) {
    const Path out = fmt::format("/work/{}", i);
    write_files(fs_, out, worlds[i]);
    run_once(fs_, out, {.overwrite = true});
    EXPECT_EQ(files_in(fs_, out), kNew);
  }
}

TEST_F(AtomicDirectoryInMemory, RefusesDestinationsThatAreNoFolder) {
  fs_.write_text("/work/file", "text");
  fs_.create_link("nowhere", "/work/dangling");
  expect_refused("", {}, "no name");
  expect_refused("/", {.overwrite = true}, "root");
  expect_refused("/work/..", {.overwrite = true}, "root");
  expect_refused("/work/file", {.overwrite = true}, "is a file");
  expect_refused("/work/file/out", {}, "/work/file: is a file");
  expect_refused("/work/dangling", {}, "link to something that does not exist");
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
  expect_refused("/work/out", with("/work/.out.expo-partial"), "in which the input");
  expect_refused("/work/out", with("/work/.out.expo-replaced/m.bin"), "in which the input");
}

TEST_F(AtomicDirectoryInMemory, TakesDestinationsBesideInputs) {
  write_files(fs_, "/models/a", kOld);
  run_once(fs_, "/models/a-new", {.inputs = {"/models/a"}});
  run_once(fs_, "/models/a/out", {.inputs = {"/models/a/model.safetensors"}});
  EXPECT_EQ(files_in(fs_, "/models/a-new"), kNew);
  EXPECT_EQ(files_in(fs_, "/models/a/out"), kNew);
}

TEST_F(AtomicDirectoryInMemory, GoesWhereALinkLeads) {
  fs_.create_directory("/disk/empty");
  fs_.create_link("/disk/empty", "/work/link");
  AtomicDirectory directory(fs_, "/work/link", {});
  EXPECT_EQ(directory.destination(), "/disk/empty");
  EXPECT_EQ(directory.partial(), "/disk/.empty.expo-partial");
  write_files(fs_, directory.partial(), kNew);
  directory.commit();
  EXPECT_EQ(files_in(fs_, "/work/link"), kNew);
}

TEST_F(AtomicDirectoryInMemory, KeepsASecondWriterOut) {
  AtomicDirectory first(fs_, kOut, {});
  const auto message =
      refusal(ErrorCategory::environment, [&] { AtomicDirectory(fs_, kOut, {.resume = true}); });
  expect_mentions(message, "another run is writing");
  EXPECT_TRUE(fs_.exists(first.partial()));
  AtomicDirectory elsewhere(fs_, "/work/out2", {});
  first.commit();
  refusal(ErrorCategory::environment, [&] { AtomicDirectory(fs_, "/work/out2", {}); });
  AtomicDirectory again(fs_, kOut, {});  // what was committed is empty
}

TEST_F(AtomicDirectoryInMemory, SparesWhatCameToTheDestinationMeanwhile) {
  AtomicDirectory directory(fs_, kOut, {});
  write_files(fs_, directory.partial(), kNew);
  directory.keep_on_failure(true);
  put_old();
  expect_mentions(refusal(ErrorCategory::usage, [&] { directory.commit(); }), "--overwrite");
  EXPECT_EQ(files_in(fs_, kOut), kOld);
  EXPECT_EQ(files_in(fs_, directory.partial()), kNew);
}

TEST_F(AtomicDirectoryInMemory, TellsWhereAFinishedCheckpointIsThatCouldNotBePlaced) {
  FaultInjectingFilesystem faults(fs_);
  AtomicDirectory directory(faults, kOut, {});
  write_files(fs_, directory.partial(), kNew);
  directory.keep_on_failure(true);
  faults.inject({.call = FileCall::rename_no_replace, .lasting = true});
  expect_mentions(refusal(ErrorCategory::environment, [&] { directory.commit(); }),
                  "kept in /work/.out.expo-partial");
  directory.abandon();
  EXPECT_EQ(files_in(fs_, directory.partial()), kNew);
}

/// Leaves what a run leaves that was stopped half-way and may be resumed.
void interrupt(Filesystem& filesystem, const Files& files) {
  AtomicDirectory directory(filesystem, kOut, {});
  directory.keep_on_failure(true);
  write_files(filesystem, directory.partial(), files);
}

TEST_F(AtomicDirectoryInMemory, ResumeTakesOverWhatAJournalVouchesFor) {
  const Files left = {{".expo-journal.json", "{}"}, {"shard", "done"}};
  interrupt(fs_, left);
  {
    AtomicDirectory directory(fs_, kOut, {.resume = true});
    EXPECT_TRUE(directory.resumed());
    EXPECT_EQ(files_in(fs_, directory.partial()), left);
  }
  // A resumed run that fails before it has said anything leaves it for the next.
  AtomicDirectory directory(fs_, kOut, {.resume = true});
  EXPECT_TRUE(directory.resumed());
  directory.commit();
  EXPECT_EQ(files_in(fs_, kOut), (Files{{"shard", "done"}}));
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
  EXPECT_EQ(files_in(fs_, kOut), kNew);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

TEST_F(AtomicDirectoryInMemory, BringsBackWhatADeadRunHadMovedAside) {
  write_files(fs_, "/work/.out.expo-replaced", kOld);
  expect_refused("/work/file-to-be/../out", {.inputs = {"/work/.out.expo-replaced"}}, "input");
  refusal(ErrorCategory::usage, [&] { AtomicDirectory(fs_, kOut, {}); });
  EXPECT_EQ(files_in(fs_, kOut), kOld);
  EXPECT_EQ(fs_.list("/work"), std::vector<std::string>{"out"});
}

// Every call of every kind fails, or the process dies there

enum class Start { absent, empty, old, old_without_exchange };

class EveryFault : public ::testing::TestWithParam<Start> {
 protected:
  struct Trial {
    MemoryFilesystem memory;
    FaultInjectingFilesystem faults{memory};
    std::unique_ptr<Filesystem> without_exchange;
  };

  /// The filesystem refuses exchanges, beside the fault under test.
  class NoExchange;

  bool had_old() const {
    return GetParam() == Start::old || GetParam() == Start::old_without_exchange;
  }
  AtomicDirectoryOptions options() const { return {.overwrite = had_old()}; }

  std::unique_ptr<Trial> make() const {
    auto trial = std::make_unique<Trial>();
    trial->memory.create_directory("/work");
    if (GetParam() == Start::empty) trial->memory.create_directory(kOut);
    if (had_old()) write_files(trial->memory, kOut, kOld);
    trial->memory.make_durable();
    return trial;
  }

  void run(Trial& trial, const AtomicDirectoryOptions& run_options, bool keep = true) const;

  /// Old, new, or (but not where it was) nothing.
  void expect_whole(Filesystem& filesystem, const std::string& what) const {
    const Files found = files_in(filesystem, kOut);
    if (found == kNew || (found.empty() && !had_old())) return;
    if (had_old() && found == kOld) return;
    if (GetParam() == Start::old_without_exchange && found.empty()) {
      EXPECT_EQ(files_in(filesystem, "/work/.out.expo-replaced"), kOld) << what;
      return;
    }
    ADD_FAILURE() << what << ": the destination is neither old, new nor absent";
  }

  void expect_rerun(Trial& trial, bool resume, const std::string& what) const {
    trial.faults.clear();
    AtomicDirectoryOptions again = options();
    again.overwrite = true;
    again.resume = resume;
    run(trial, again);
    EXPECT_EQ(files_in(trial.memory, kOut), kNew) << what;
    EXPECT_EQ(trial.memory.list("/work"), std::vector<std::string>{"out"}) << what;
  }
};

class EveryFault::NoExchange final : public Filesystem {
 public:
  explicit NoExchange(Filesystem& base) : base_(base) {}
  std::unique_ptr<ReadableFile> open(const Path& path, Caching caching) override {
    return base_.open(path, caching);
  }
  std::unique_ptr<WritableFile> create(const Path& path, Caching caching) override {
    return base_.create(path, caching);
  }
  std::optional<FileStatus> status(const Path& path) override { return base_.status(path); }
  std::vector<std::string> list(const Path& folder) override { return base_.list(folder); }
  Path canonical(const Path& path) override { return base_.canonical(path); }
  void create_directory(const Path& path) override { base_.create_directory(path); }
  void remove(const Path& path) override { base_.remove(path); }
  void rename_no_replace(const Path& from, const Path& to) override {
    base_.rename_no_replace(from, to);
  }
  void rename_exchange(const Path& /*a*/, const Path& b) override {
    throw environment_error(b.string() + ": this filesystem exchanges nothing");
  }
  void rename_replace(const Path& from, const Path& to) override { base_.rename_replace(from, to); }
  void sync_directory(const Path& path) override { base_.sync_directory(path); }
  std::unique_ptr<FileLock> try_lock(const Path& path) override { return base_.try_lock(path); }
  std::uint64_t free_bytes(const Path& path) override { return base_.free_bytes(path); }

 private:
  Filesystem& base_;
};

void EveryFault::run(Trial& trial, const AtomicDirectoryOptions& run_options, bool keep) const {
  NoExchange limited(trial.faults);
  const bool exchange = GetParam() != Start::old_without_exchange;
  run_once(exchange ? static_cast<Filesystem&>(trial.faults) : limited, kOut, run_options, keep);
}

/// Calls `trial` with every kind of call and every k that a run without faults reaches.
template <typename Body>
void for_every_call(const std::function<void(FaultInjectingFilesystem&)>& count_run,
                    FaultInjectingFilesystem& counted, const Body& body) {
  counted.clear();
  count_run(counted);
  for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
    const auto call = static_cast<FileCall>(kind);
    for (std::size_t k = 1; k <= counted.count(call); ++k) body(call, k);
  }
}

TEST_P(EveryFault, FailsWhole) {
  const auto reference = make();
  for_every_call(
      [&](auto&) { run(*reference, options()); }, reference->faults,
      [&](FileCall call, std::size_t k) {
        for (const int variant : {0, 1, 2, 3, 4, 5, 6, 7}) {
          const auto trial = make();
          const Fault fault{.call = call,
                            .occurrence = k,
                            .error = variant & 1 ? ENOSPC : EIO,
                            .halfway = (variant & 1) != 0,
                            .lasting = (variant & 2) != 0};
          const std::string what = fmt::format("{} {} variant {}", name_of(call), k, variant);
          trial->faults.inject(fault);
          bool failed = false;
          try {
            run(*trial, options(), (variant & 1) != 0);
          } catch (const Error& error) {
            failed = true;
            EXPECT_EQ(error.category(), ErrorCategory::environment) << what << ": " << error.what();
          }
          EXPECT_TRUE(trial->faults.struck()) << what;
          expect_whole(trial->memory, what);
          if (!failed) {
            EXPECT_EQ(files_in(trial->memory, kOut), kNew) << what;
          }
          if ((variant & 4) != 0) {
            trial->memory.lose_power();
            expect_whole(trial->memory, what + " after power loss");
          }
          expect_rerun(*trial, (variant & 1) != 0, what);
        }
      });
}

TEST_P(EveryFault, DiesWhole) {
  const auto reference = make();
  for_every_call(
      [&](auto&) { run(*reference, options()); }, reference->faults,
      [&](FileCall call, std::size_t k) {
        for (const int variant : {0, 1, 2, 3, 4, 5, 6, 7}) {
          const bool halfway = (variant & 1) != 0;
          const bool power_loss = (variant & 2) != 0;
          const bool resume = (variant & 4) != 0;
          const auto trial = make();
          const std::string what =
              fmt::format("death at {} {} variant {}", name_of(call), k, variant);
          trial->faults.inject({.call = call, .occurrence = k, .halfway = halfway, .death = true});
          // The last calls are those of destructors, which keep a death to themselves.
          try {
            run(*trial, options());
          } catch (const ProcessDied&) {
          }
          EXPECT_TRUE(trial->faults.struck()) << what;
          if (power_loss) trial->memory.lose_power();
          expect_whole(trial->memory, what);
          expect_rerun(*trial, resume, what);
        }
      });
}

INSTANTIATE_TEST_SUITE_P(Starts, EveryFault,
                         ::testing::Values(Start::absent, Start::empty, Start::old,
                                           Start::old_without_exchange),
                         [](const auto& start) -> std::string {
                           switch (start.param) {
                             case Start::absent:
                               return "Absent";
                             case Start::empty:
                               return "Empty";
                             case Start::old:
                               return "Old";
                             case Start::old_without_exchange:
                               return "OldWithoutExchange";
                           }
                           return "";
                         });

// On the machine's own filesystem

TEST(AtomicDirectoryOnDisk, WritesOverwritesAndCleansUp) {
  const TemporaryFolder folder;
  Filesystem& fs = posix_filesystem();
  run_once(fs, folder / "a/b/out", {});
  EXPECT_EQ(files_in(fs, folder / "a/b/out"), kNew);
  expect_mentions(refusal(ErrorCategory::usage, [&] { run_once(fs, folder / "a/b/out", {}); }),
                  "--overwrite");
  fs.write_text(folder / "a/b/out/more.txt", "gone with the old one");
  run_once(fs, folder / "a/b/out", {.overwrite = true});
  EXPECT_EQ(files_in(fs, folder / "a/b/out"), kNew);
  EXPECT_EQ(fs.list(folder / "a/b"), std::vector<std::string>{"out"});
}

TEST(AtomicDirectoryOnDisk, RefusesTheWorkingFolderAndThoseAroundIt) {
  const TemporaryFolder folder;
  Filesystem& fs = posix_filesystem();
  const Path before = std::filesystem::current_path();
  fs.create_directory(folder / "in");
  std::filesystem::current_path(folder / "in");
  for (const Path& out : {Path("."), Path(".."), Path("../in")}) {
    expect_mentions(
        refusal(ErrorCategory::usage, [&] { check_destination(fs, out, {.overwrite = true}); }),
        "working folder");
  }
  run_once(fs, "out", {});
  std::filesystem::current_path(before);
  EXPECT_EQ(files_in(fs, folder / "in/out"), kNew);
}

/// Writers of one destination, each with its own text in every file; true where one got through.
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
  const Files files = files_in(posix_filesystem(), out);
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
  EXPECT_EQ(files_in(posix_filesystem(), folder / "out"), kNew);
  EXPECT_EQ(posix_filesystem().list(folder.path()), std::vector<std::string>{"out"});
}

}  // namespace
}  // namespace expo
