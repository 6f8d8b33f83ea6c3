#include "expo/engine/resumable_output.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

const std::filesystem::path kFile = "/disk/out.jsonl";
constexpr std::uint64_t kRows = 4;
const std::string kWhole = "0\n10\n20\n30\n";

ResumableOutput::Options options(bool resume = false, bool overwrite = false) {
  return {.file = kFile,
          .overwrite = overwrite,
          .resume = resume,
          .settings = {{"model", "a"}, {"sampling", {{"seed", 1}}}}};
}

std::vector<ResumableOutput::Row> row(std::uint64_t number) {
  return {{number, Json(number * 10)}};
}

/// A run of four rows; counts those of which append() has returned.
void run_once(Filesystem& filesystem, const ResumableOutput::Options& given,
              std::uint64_t& appended) {
  ResumableOutput output(filesystem, given);
  for (std::uint64_t number = 0; number < kRows; ++number) {
    if (output.finished().contains(number)) continue;
    output.append(row(number));
    ++appended;
  }
  std::string text;
  for (const auto& [number, result] : output.finished()) text += compact_json(result) + "\n";
  output.commit(text, {{"rows", kRows}});
}

MemoryFilesystem& with_folder(MemoryFilesystem& memory) {
  memory.create_directory("/disk");
  memory.make_durable();
  return memory;
}

/// Two rows, and then the run ends without a commit.
void leave_two_rows(Filesystem& filesystem) {
  ResumableOutput output(filesystem, options());
  output.append(row(0));
  output.append(row(1));
}

const std::vector<std::string> kFinished{"out.jsonl", "out.jsonl.run.json"};

TEST(ResumableOutput, LeavesTheFileAndItsRecord) {
  MemoryFilesystem memory;
  std::uint64_t appended = 0;
  run_once(with_folder(memory), options(), appended);
  EXPECT_EQ(memory.read_text(kFile), kWhole);
  EXPECT_EQ(memory.list("/disk"), kFinished);
  EXPECT_EQ(parse_json(memory.read_text("/disk/out.jsonl.run.json"), "record").at("rows"), kRows);
}

TEST(ResumableOutput, GoesOnFromTheRowsThatAreThere) {
  MemoryFilesystem memory;
  leave_two_rows(with_folder(memory));
  std::uint64_t appended = 0;
  run_once(memory, options(true), appended);
  EXPECT_EQ(appended, kRows - 2);
  EXPECT_EQ(memory.read_text(kFile), kWhole);
  EXPECT_EQ(memory.list("/disk"), kFinished);
}

TEST(ResumableOutput, LeavesNothingWhereNothingWasFinished) {
  MemoryFilesystem memory;
  { const ResumableOutput output(with_folder(memory), options()); }
  EXPECT_TRUE(memory.list("/disk").empty());
}

TEST(ResumableOutput, DropsALineThatWasNotFinished) {
  MemoryFilesystem memory;
  leave_two_rows(with_folder(memory));
  const std::string text = memory.read_text("/disk/.out.jsonl.expo-partial");
  memory.write_text("/disk/.out.jsonl.expo-partial", text.substr(0, text.size() - 1));
  const ResumableOutput output(memory, options(true));
  EXPECT_EQ(output.finished().size(), 1U);
}

TEST(ResumableOutput, RefusesWhatNoRunHasLeft) {
  for (const char* text :
       {"[]\n", "{\"settings\":{},\"overwrite\":false}\n{\"row\":\"x\"}\n", "?\n"}) {
    MemoryFilesystem memory;
    with_folder(memory).write_text("/disk/.out.jsonl.expo-partial", text);
    const std::string message =
        refusal(ErrorCategory::input, [&] { ResumableOutput(memory, options(true)); });
    EXPECT_TRUE(contains(message, ".out.jsonl.expo-partial"));
    EXPECT_TRUE(contains(message, "--overwrite discards it"));
    EXPECT_TRUE(ResumableOutput(memory, options(false, true)).finished().empty());
  }
}

TEST(ResumableOutput, NeverDropsRowsUnasked) {
  MemoryFilesystem memory;
  leave_two_rows(with_folder(memory));
  const std::string message =
      refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, options()); });
  EXPECT_TRUE(contains(message, "has left 2 rows finished"));
  EXPECT_TRUE(contains(message, "--resume"));
  EXPECT_EQ(ResumableOutput(memory, options(true)).finished().size(), 2U);
  EXPECT_TRUE(ResumableOutput(memory, options(false, true)).finished().empty());
}

TEST(ResumableOutput, RefusesOtherSettingsByName) {
  MemoryFilesystem memory;
  leave_two_rows(with_folder(memory));
  ResumableOutput::Options other = options(true);
  other.settings["sampling"]["seed"] = 2;
  other.settings["more"] = true;
  const std::string message =
      refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, other); });
  EXPECT_TRUE(contains(message, "sampling.seed was 1 and is 2, more was null and is true"));
  EXPECT_EQ(ResumableOutput(memory, options(true)).finished().size(), 2U);
}

TEST(ResumableOutput, ReplacesWhatIsThereOnlyIfTold) {
  MemoryFilesystem memory;
  with_folder(memory).write_text(kFile, "mine");
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, options()); }),
                       "exists already"));
  leave_two_rows(*[&] {
    memory.remove(kFile);
    return &memory;
  }());
  memory.write_text(kFile, "somebody's");
  EXPECT_TRUE(
      contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, options(true)); }),
               "exists already"));
  std::uint64_t appended = 0;
  run_once(memory, options(true, true), appended);
  EXPECT_EQ(memory.read_text(kFile), kWhole);
}

TEST(ResumableOutput, RefusesInputsFoldersAndASecondWriter) {
  MemoryFilesystem memory;
  with_folder(memory).write_text("/disk/data.jsonl", "{}");
  ResumableOutput::Options input = options(false, true);
  input.file = "/disk/../disk/data.jsonl";
  input.inputs = {"/disk/data.jsonl"};
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, input); }),
                       "is an input"));
  ResumableOutput::Options record = options(false, true);
  record.inputs = {"/disk/out.jsonl.run.json"};
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, record); }),
                       "out.jsonl.run.json: is an input"));
  ResumableOutput::Options within = options(false, true);
  within.file = "/disk/more/data/out.jsonl";
  within.inputs = {"/disk/more"};
  memory.create_directory("/disk/more");
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, within); }),
                       "lies in /disk/more"));
  within.file = "/disk/more.jsonl";
  EXPECT_NO_THROW(ResumableOutput(memory, within));
  ResumableOutput::Options folder = options();
  folder.file = "/disk";
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, folder); }),
                       "is a folder"));
  const ResumableOutput first(memory, options());
  EXPECT_TRUE(
      contains(refusal(ErrorCategory::environment, [&] { ResumableOutput(memory, options()); }),
               "another run"));
}

TEST(ResumableOutput, RefusesAFolderInTheRecordsPlace) {
  MemoryFilesystem memory;
  with_folder(memory).create_directory("/disk/out.jsonl.run.json");
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { ResumableOutput(memory, options()); }),
                       "out.jsonl.run.json: is a folder"));
}

TEST(ResumableOutput, WritesTheFileThatALinkLeadsTo) {
  MemoryFilesystem memory;
  with_folder(memory).create_directory("/far");
  memory.write_text("/far/real.jsonl", "old");
  memory.create_link("/far/real.jsonl", kFile);
  {
    ResumableOutput output(memory, options(false, true));
    output.append(row(0));
    EXPECT_TRUE(memory.exists("/far/.real.jsonl.expo-partial"));
    ResumableOutput::Options direct = options(true);
    direct.file = "/far/real.jsonl";
    EXPECT_TRUE(
        contains(refusal(ErrorCategory::environment, [&] { ResumableOutput(memory, direct); }),
                 "another run"));
    output.commit("new\n", {{"rows", 1}});
  }
  EXPECT_EQ(memory.read_text("/far/real.jsonl"), "new\n");
  EXPECT_EQ(memory.canonical(kFile), "/far/real.jsonl");
  EXPECT_EQ(memory.list("/far"), (std::vector<std::string>{"real.jsonl", "real.jsonl.run.json"}));
  EXPECT_EQ(memory.list("/disk"), std::vector<std::string>{"out.jsonl"});
}

TEST(ResumableOutput, AdvisesToResumeWhereThereIsSomethingToGoOnFrom) {
  MemoryFilesystem memory;
  ResumableOutput output(with_folder(memory), options());
  const Error error = interrupted_error("interrupted");
  EXPECT_STREQ(output.with_advice(error).what(), "interrupted");
  output.append(row(0));
  const Error advised = output.with_advice(error);
  EXPECT_TRUE(contains(advised.what(), "what is finished, 1 row, is kept: --resume"));
  EXPECT_EQ(advised.category(), ErrorCategory::interrupted);
}

/// Every call fails once, or is the last before the process dies and the power with it; then the
/// run is resumed.
void survive(const Fault& fault) {
  const std::string what =
      fmt::format("{} {}{}", name_of(fault.call), fault.occurrence, fault.death ? " (death)" : "");
  MemoryFilesystem memory;
  FaultInjectingFilesystem faults(with_folder(memory));
  faults.inject(fault);
  std::uint64_t appended = 0;
  try {
    run_once(faults, options(), appended);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment) << what << ": " << error.what();
  } catch (const ProcessDied&) {
    memory.lose_power();
  }
  if (memory.exists(kFile)) {
    EXPECT_EQ(memory.read_text(kFile), kWhole) << what;
  }
  faults.clear();
  if (!memory.exists(kFile) || memory.exists("/disk/.out.jsonl.expo-partial")) {
    std::uint64_t again = 0;
    run_once(memory, options(true), again);
    EXPECT_LE(appended + again, kRows) << what << ": a row that was kept is done again";
  }
  EXPECT_EQ(memory.read_text(kFile), kWhole) << what;
  memory.remove("/disk/.out.jsonl.expo-lock");  // a dead process leaves it to the next run
  EXPECT_EQ(memory.list("/disk"), kFinished) << what;
}

TEST(ResumableOutput, LosesNoRowWhateverFails) {
  MemoryFilesystem memory;
  FaultInjectingFilesystem counting(with_folder(memory));
  counting.clear();
  std::uint64_t appended = 0;
  run_once(counting, options(), appended);
  std::size_t trials = 0;
  for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
    const auto call = static_cast<FileCall>(kind);
    for (std::size_t k = 1; k <= counting.count(call); ++k) {
      for (const bool death : {false, true}) {
        for (const bool halfway : {false, true}) {
          survive({.call = call, .occurrence = k, .halfway = halfway, .death = death});
          ++trials;
        }
      }
    }
  }
  EXPECT_GT(trials, 50U);
}

}  // namespace
}  // namespace expo
