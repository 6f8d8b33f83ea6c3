#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "checkpoint/atomic_run.h"
#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace expo {
namespace {

/// The state of the destination beforehand.
enum class Start { absent, empty, old, old_without_exchange };

/// A disk, and a run that writes to it through a filesystem with faults. Every call that the run
/// makes fails once, or is the last one before the process dies.
class EveryFault : public ::testing::TestWithParam<Start> {
 protected:
  struct Trial {
    MemoryFilesystem memory;
    FaultInjectingFilesystem limits{memory};  // operations that this disk never supports
    FaultInjectingFilesystem faults{static_cast<Filesystem&>(limits)};
  };
  using Body = std::function<void(Trial& trial, Fault fault, const std::string& what)>;

  bool had_old() const {
    return GetParam() == Start::old || GetParam() == Start::old_without_exchange;
  }
  AtomicDirectoryOptions options() const { return {.overwrite = had_old()}; }

  std::unique_ptr<Trial> make() const {
    auto trial = std::make_unique<Trial>();
    trial->memory.create_directory("/disk");
    if (GetParam() == Start::empty) trial->memory.create_directory(kOut);
    if (had_old()) write_files(trial->memory, kOut, kOld);
    trial->memory.make_durable();
    if (GetParam() == Start::old_without_exchange)
      trial->limits.inject({.call = FileCall::rename_exchange, .error = EINVAL, .lasting = true});
    return trial;
  }

  /// Calls `body` on a fresh disk for every kind of call and every k up to the number of calls in a
  /// run without faults.
  void for_every_call(const Body& body) const {
    const auto counted = make();
    run_once(counted->faults, kOut, options());
    for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
      const auto call = static_cast<FileCall>(kind);
      for (std::size_t k = 1; k <= counted->faults.count(call); ++k) {
        body(*make(), {.call = call, .occurrence = k}, fmt::format("{} {}", name_of(call), k));
      }
    }
  }

  /// Expects the old checkpoint, the new one, or none; where there was an old one, none is allowed
  /// only between two renames, and the old one must then be beside the destination.
  void expect_whole(Filesystem& filesystem, const std::string& what) const {
    const FolderFiles found = files_in(filesystem, kOut);
    if (found == kNew || found == (had_old() ? kOld : FolderFiles())) return;
    EXPECT_TRUE(found.empty() && GetParam() == Start::old_without_exchange)
        << what << ": the destination is neither old, new nor absent";
    EXPECT_TRUE(same_files(files_in(filesystem, "/disk/.out.expo-replaced"), kOld)) << what;
  }

  void expect_rerun(Trial& trial, bool resume, const std::string& what) const {
    trial.faults.clear();
    run_once(trial.faults, kOut, {.overwrite = true, .resume = resume});
    EXPECT_TRUE(same_files(files_in(trial.memory, kOut), kNew)) << what;
    EXPECT_EQ(trial.memory.list("/disk"), std::vector<std::string>{"out"}) << what;
  }
};

std::string describe(const std::string& what, std::initializer_list<bool> flags) {
  std::string text = what + " variant";
  for (const bool flag : flags) text += flag ? " 1" : " 0";
  return text;
}

TEST_P(EveryFault, FailsWhole) {
  for (unsigned mode = 0; mode < 16; ++mode) {
    const bool full_disk = (mode & 1) != 0;  // fails after half of the work; otherwise at once
    const bool lasting = (mode & 2) != 0;
    const bool keep = (mode & 4) != 0;
    const bool power_loss = (mode & 8) != 0;
    for_every_call([&](Trial& trial, Fault fault, std::string what) {
      what = describe(what, {full_disk, lasting, keep, power_loss});
      fault.error = full_disk ? ENOSPC : EIO;
      fault.halfway = full_disk;
      fault.lasting = lasting;
      trial.faults.inject(fault);
      bool failed = false;
      try {
        run_once(trial.faults, kOut, options(), keep);
      } catch (const Error& error) {
        failed = true;
        EXPECT_EQ(error.category(), ErrorCategory::environment) << what << ": " << error.what();
      }
      EXPECT_TRUE(trial.faults.struck()) << what;
      if (power_loss) trial.memory.lose_power();
      expect_whole(trial.memory, what);
      if (!failed) {
        EXPECT_TRUE(same_files(files_in(trial.memory, kOut), kNew)) << what;
      }
      expect_rerun(trial, keep, what);
    });
  }
}

TEST_P(EveryFault, DiesWhole) {
  for (unsigned mode = 0; mode < 8; ++mode) {
    const bool halfway = (mode & 1) != 0;
    const bool power_loss = (mode & 2) != 0;
    const bool resume = (mode & 4) != 0;
    for_every_call([&](Trial& trial, Fault fault, std::string what) {
      what = describe(what, {halfway, power_loss, resume});
      fault.halfway = halfway;
      fault.death = true;
      trial.faults.inject(fault);
      // The last calls are made by destructors, which do not let a death escape.
      try {
        run_once(trial.faults, kOut, options());
      } catch (const ProcessDied&) {
      }
      EXPECT_TRUE(trial.faults.struck()) << what;
      if (power_loss) trial.memory.lose_power();
      expect_whole(trial.memory, what);
      expect_rerun(trial, resume, what);
    });
  }
}

std::string start_name(const ::testing::TestParamInfo<Start>& info) {
  switch (info.param) {
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
}

INSTANTIATE_TEST_SUITE_P(Starts, EveryFault,
                         ::testing::Values(Start::absent, Start::empty, Start::old,
                                           Start::old_without_exchange),
                         start_name);

}  // namespace
}  // namespace expo
