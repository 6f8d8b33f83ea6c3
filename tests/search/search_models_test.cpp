#include "expo/search/run/search_models.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace expo {
namespace {

std::vector<std::string> shortened(std::vector<std::string> names) {
  return short_names(names);
}

TEST(ShortNames, LeaveOutWhatAllHaveInCommon) {
  EXPECT_EQ(shortened({"runs/all/final", "runs/fifth/final"}),
            (std::vector<std::string>{"all", "fifth"}));
  EXPECT_EQ(shortened({"/data/run/checkpoint-10", "/data/run/checkpoint-20/", "/data/run/final"}),
            (std::vector<std::string>{"checkpoint-10", "checkpoint-20", "final"}));
  EXPECT_EQ(shortened({"org/a", "other/b"}), (std::vector<std::string>{"org/a", "other/b"}));
}

TEST(ShortNames, AreTheNamesWhereNothingWouldBeLeft) {
  EXPECT_EQ(shortened({"run", "run/final"}), (std::vector<std::string>{"run", "run/final"}));
  EXPECT_EQ(shortened({"run/final"}), (std::vector<std::string>{"run/final"}));
}

class SearchModelsTest : public testing::Test {
 protected:
  SearchModelsTest() {
    for (const char* folder : {"/m/sft", "/m/all", "/m/fifth"}) disk_.create_directory(folder);
  }
  MemoryFilesystem disk_;
};

TEST_F(SearchModelsTest, RefusesACheckpointThatIsNamedTwice) {
  check_distinct(disk_, {"/m/sft", {"/m/all", "/m/fifth"}, "/m/all"});
  for (const char* again : {"/m/all", "/m/all/", "/m/fifth/../all", "/m/sft"}) {
    try {
      check_distinct(disk_, {"/m/sft", {"/m/all", again}, ""});
      FAIL() << again;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      EXPECT_NE(std::string(error.what()).find(again), std::string::npos);
    }
  }
}

TEST_F(SearchModelsTest, KnowsABaselineThatCompetes) {
  const std::vector<std::string> aligned{"/m/all", "/m/fifth"};
  EXPECT_EQ(aligned_baseline(disk_, {"/m/sft", aligned, "/m/fifth/"}), 1U);
  EXPECT_EQ(aligned_baseline(disk_, {"/m/sft", aligned, "/m/all"}), 0U);
  EXPECT_FALSE(aligned_baseline(disk_, {"/m/sft", aligned, "/m/other"}));
  EXPECT_FALSE(aligned_baseline(disk_, {"/m/sft", aligned, ""}));
}

}  // namespace
}  // namespace expo
