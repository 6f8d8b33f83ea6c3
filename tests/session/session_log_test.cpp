#include "expo/session/session_log.h"

#include <gtest/gtest.h>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/core/version.h"

namespace expo {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

std::vector<Json> lines_of(Filesystem& filesystem) {
  std::vector<Json> lines;
  const std::string text = filesystem.read_text("/run/sessions.jsonl");
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = text.find('\n', begin);
    lines.push_back(parse_json(text.substr(begin, end - begin), "line"));
  }
  return lines;
}

Session session_at(int moment) {
  return {"expo search 'a b'", "avx2", "cpu", system_clock::time_point(seconds(moment))};
}

TEST(SessionLog, TellsWhenWhereAndHow) {
  MemoryFilesystem disk;
  { const SessionLog log(disk, "/run", session_at(1'796'008'709)); }
  const auto lines = lines_of(disk);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], Json::parse(R"({"format":"expo-sessions-1"})"));
  EXPECT_EQ(lines[1].at("started"), "2026-11-30T03:18:29Z");
  EXPECT_EQ(lines[1].at("command"), "expo search 'a b'");
  EXPECT_EQ(lines[1].at("expo"), version());
  const Json& machine = lines[1].at("machine");
  EXPECT_EQ(machine.at("instructions"), "avx2");
  EXPECT_EQ(machine.at("device"), "cpu");
  EXPECT_GE(machine.at("cores").get<int>(), 1);
  EXPECT_GT(machine.at("memory").get<std::uint64_t>(), std::uint64_t{1} << 26);
  const auto ended = lines[2].at("ended").get<std::string>();
  EXPECT_EQ(ended.size(), std::string("2026-11-30T03:18:29Z").size());
  EXPECT_GT(ended, "2024");
}

TEST(SessionLog, GoesOnWithWhatIsThere) {
  MemoryFilesystem disk;
  { const SessionLog log(disk, "/run", session_at(0)); }
  const std::string first = disk.read_text("/run/sessions.jsonl");
  // A session that was killed while it wrote.
  disk.write_text("/run/sessions.jsonl", first + "{\"started\":\"19");
  {
    SessionLog log(disk, "/run", session_at(60));
    log.end();
    log.end();
  }
  EXPECT_TRUE(disk.read_text("/run/sessions.jsonl").starts_with(first));
  const auto lines = lines_of(disk);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[3].at("started"), "1970-01-01T00:01:00Z");
  EXPECT_TRUE(lines[4].contains("ended"));
}

TEST(SessionLog, SurvivesPowerLossAndAFullDiskAtItsEnd) {
  MemoryFilesystem disk;
  disk.create_directory("/run");
  disk.make_durable();
  FaultInjectingFilesystem faults(disk);
  {
    const SessionLog log(faults, "/run", session_at(0));
    disk.lose_power();
    EXPECT_EQ(lines_of(disk).size(), 2U);
    faults.inject({.call = FileCall::write, .halfway = true, .lasting = true});
  }
  faults.clear();
  { const SessionLog log(faults, "/run", session_at(1)); }
  EXPECT_EQ(lines_of(disk).size(), 4U);
}

TEST(SessionLog, MovesADamagedFileAsideAndGoesOn) {
  MemoryFilesystem disk;
  { const SessionLog log(disk, "/run", session_at(0)); }
  const std::string whole = disk.read_text("/run/sessions.jsonl");
  const std::string other = "{\"format\":\"other\"}\n";
  const std::vector<std::string> all = {other, "\n", whole + "no json\n", whole + "[]\n",
                                        whole + "{\"started\":\"now\"}\n"};
  for (const std::string& damaged : all) {
    disk.write_text("/run/sessions.jsonl", damaged);
    const SessionLog log(disk, "/run", session_at(60));
    EXPECT_NE(log.warning().find("/run/sessions.jsonl: is damaged"), std::string::npos) << damaged;
    EXPECT_EQ(disk.read_text("/run/sessions.jsonl.damaged"), damaged);
    const auto lines = lines_of(disk);
    ASSERT_EQ(lines.size(), 2U) << damaged;
    EXPECT_EQ(lines[1].at("started"), "1970-01-01T00:01:00Z");
  }
  const SessionLog log(disk, "/run", session_at(120));
  EXPECT_EQ(log.warning(), "");
}

TEST(SessionLog, ADiskThatFailsIsNoDamage) {
  MemoryFilesystem disk;
  { const SessionLog log(disk, "/run", session_at(0)); }
  FaultInjectingFilesystem faults(disk);
  faults.inject({.call = FileCall::write, .lasting = true});
  EXPECT_THROW(SessionLog(faults, "/run", session_at(1)), Error);
  EXPECT_FALSE(disk.exists("/run/sessions.jsonl.damaged"));
}

}  // namespace
}  // namespace expo
