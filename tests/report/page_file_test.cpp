#include "expo/report/page_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace expo {
namespace {

const std::string kOld = "the old page";
const std::string kNew(3 << 20, 'n');

/// Writes the page in two pieces.
void write_page(Filesystem& filesystem, bool overwrite) {
  PageFile file(filesystem, "/run/report.html", overwrite);
  file.write(std::string_view(kNew).substr(0, kNew.size() / 3));
  file.write(std::string_view(kNew).substr(kNew.size() / 3));
  EXPECT_EQ(file.commit(), kNew.size());
}

std::string refusal(Filesystem& filesystem, const char* path, bool overwrite = false) {
  try {
    PageFile file(filesystem, path, overwrite);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    return error.what();
  }
  return {};
}

TEST(PageFile, AppearsWhenItIsComplete) {
  MemoryFilesystem disk;
  disk.create_directory("/run");
  {
    PageFile file(disk, "/run/report.html", false);
    file.write(kNew);
    EXPECT_FALSE(disk.exists("/run/report.html"));
  }
  EXPECT_TRUE(disk.list("/run").empty());
  write_page(disk, false);
  EXPECT_EQ(disk.read_text("/run/report.html"), kNew);
  EXPECT_EQ(disk.list("/run"), std::vector<std::string>{"report.html"});
}

TEST(PageFile, RefusesPlacesThatWillNotDo) {
  MemoryFilesystem disk;
  disk.create_directory("/run/folder");
  disk.write_text("/run/report.html", kOld);
  EXPECT_NE(refusal(disk, "/run/report.html").find("is there already; --overwrite"),
            std::string::npos);
  EXPECT_EQ(refusal(disk, "/run/report.html", true), "");
  EXPECT_NE(refusal(disk, "/run/folder", true).find("is a folder"), std::string::npos);
  EXPECT_NE(refusal(disk, "/run/folder/", true).find("is a folder"), std::string::npos);
  EXPECT_NE(refusal(disk, "/none/report.html").find("there is no folder /none"), std::string::npos);
  EXPECT_EQ(disk.read_text("/run/report.html"), kOld);
}

/// Every call fails once, or is the last one before the process dies, or before the power fails.
class EveryFault : public testing::TestWithParam<bool> {
 protected:
  static bool overwrites() { return GetParam(); }

  static void prepare(MemoryFilesystem& memory) {
    memory.create_directory("/run");
    if (overwrites()) memory.write_text("/run/report.html", kOld);
    memory.make_durable();
  }

  static void expect_whole(Filesystem& filesystem, const std::string& what) {
    if (!filesystem.exists("/run/report.html")) {
      EXPECT_FALSE(overwrites()) << what;
      return;
    }
    const std::string found = filesystem.read_text("/run/report.html");
    EXPECT_TRUE(found == kNew || (overwrites() && found == kOld)) << what;
  }

  static void try_fault(const Fault& fault) {
    const std::string what =
        fmt::format("{} {}{}", name_of(fault.call), fault.occurrence, fault.death ? ", death" : "");
    MemoryFilesystem memory;
    prepare(memory);
    FaultInjectingFilesystem faults(memory);
    faults.inject(fault);
    bool is_written = false;
    try {
      write_page(faults, overwrites());
      is_written = true;
    } catch (const Error&) {
    } catch (const ProcessDied&) {
    }
    faults.clear();
    if (is_written) {
      EXPECT_EQ(memory.read_text("/run/report.html"), kNew) << what;
    }
    expect_whole(memory, what);
    memory.lose_power();
    expect_whole(memory, what + ", power");
    // Nothing is in the way of another try.
    write_page(memory, true);
    EXPECT_EQ(memory.read_text("/run/report.html"), kNew) << what;
  }
};

INSTANTIATE_TEST_SUITE_P(OldAndNew, EveryFault, testing::Bool());

TEST_P(EveryFault, LeavesTheOldPageOrTheNewOne) {
  MemoryFilesystem counted;
  prepare(counted);
  FaultInjectingFilesystem calls(counted);
  write_page(calls, overwrites());
  std::size_t faults = 0;
  for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
    const auto call = static_cast<FileCall>(kind);
    for (std::size_t k = 1; k <= calls.count(call); ++k, ++faults) {
      for (const bool halfway : {false, true}) {
        try_fault({.call = call, .occurrence = k, .halfway = halfway});
        try_fault({.call = call, .occurrence = k, .halfway = halfway, .death = true});
      }
    }
  }
  EXPECT_GE(faults, 8U);
}

TEST(PageFile, AFullDiskLeavesNothing) {
  MemoryFilesystem disk(kNew.size() / 2);
  disk.create_directory("/run");
  EXPECT_THROW(write_page(disk, false), Error);
  EXPECT_TRUE(disk.list("/run").empty());
}

}  // namespace
}  // namespace expo
