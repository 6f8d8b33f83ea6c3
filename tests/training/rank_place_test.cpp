#include <gtest/gtest.h>

#include <map>

#include "expo/core/error.h"
#include "expo/training/config/learning_rate.h"
#include "expo/training/ranks/distributed_ranks.h"
#include "expo/training/ranks/place.h"

namespace expo {
namespace {

RankPlace place_in(const std::map<std::string, std::string>& variables) {
  return find_rank_place([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(RankPlace, IsAloneWithoutVariables) {
  EXPECT_EQ(place_in({}).size, 1);
  EXPECT_EQ(place_in({{"SLURM_NTASKS", "4"}}).size, 1);  // sbatch's own shell, outside srun
}

TEST(RankPlace, FollowsTorchrun) {
  const RankPlace place = place_in({{"RANK", "2"},
                                    {"WORLD_SIZE", "4"},
                                    {"MASTER_ADDR", "here"},
                                    {"MASTER_PORT", "29500"},
                                    {"LOCAL_RANK", "1"},
                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  EXPECT_EQ(place.rank, 2);
  EXPECT_EQ(place.size, 4);
  EXPECT_EQ(place.host, "here");
  EXPECT_EQ(place.port, 29500);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_TRUE(place.agent_store);
}

TEST(RankPlace, FollowsSlurm) {
  const RankPlace place = place_in({{"SLURM_PROCID", "1"},
                                    {"SLURM_NTASKS", "2"},
                                    {"SLURM_STEP_NODELIST", "node[07-09,12],other3"},
                                    {"SLURM_LOCALID", "3"},
                                    {"SLURM_JOB_ID", "41234"}});
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.host, "node07");
  EXPECT_EQ(place.local_rank, 3);
  EXPECT_EQ(place.port, 21234);
  EXPECT_EQ(place.run, "expo-41234-0");
  EXPECT_FALSE(place.agent_store);
}

TEST(RankPlace, TellsTheStepsOfAJobApart) {
  const RankPlace place = place_in({{"SLURM_PROCID", "1"},
                                    {"SLURM_NTASKS", "2"},
                                    {"SLURM_STEP_NODELIST", "a,b"},
                                    {"SLURM_STEP_ID", "3"},
                                    {"SLURM_JOB_ID", "41234"}});
  EXPECT_EQ(place.port, 21237);
  EXPECT_EQ(place.run, "expo-41234-3");
}

TEST(RankPlace, RefusesWhatDoesNotAddUp) {
  EXPECT_THROW(
      place_in(
          {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "here"}, {"MASTER_PORT", "70000"}}),
      Error);
  EXPECT_THROW(place_in({{"WORLD_SIZE", "2"}}), Error);
  EXPECT_THROW(place_in({{"RANK", "0"}, {"WORLD_SIZE", "two"}}), Error);
  EXPECT_THROW(place_in({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), Error);
  EXPECT_THROW(
      place_in({{"RANK", "3"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "here"}, {"MASTER_PORT", "1"}}),
      Error);
}

TEST(FirstHost, ReadsSlurmsLists) {
  EXPECT_EQ(first_host("alone"), "alone");
  EXPECT_EQ(first_host("a,b[1-2]"), "a");
  EXPECT_EQ(first_host("b[3,5-6]"), "b3");
  EXPECT_EQ(first_host("b[010-020]"), "b010");
}

TEST(LearningRate, WarmsUpAndFalls) {
  const LearningRate cosine{ScheduleKind::cosine, 2, 2, 6};
  EXPECT_DOUBLE_EQ(cosine.at(0), 0);
  EXPECT_DOUBLE_EQ(cosine.at(1), 1);
  EXPECT_DOUBLE_EQ(cosine.at(2), 2);
  EXPECT_DOUBLE_EQ(cosine.at(4), 1);
  const LearningRate linear{ScheduleKind::linear, 2, 2, 6};
  EXPECT_DOUBLE_EQ(linear.at(3), 1.5);
  const LearningRate constant{ScheduleKind::constant, 2, 2, 6};
  EXPECT_DOUBLE_EQ(constant.at(0), 2);
  const LearningRate warmed{ScheduleKind::constant_with_warmup, 2, 2, 6};
  EXPECT_DOUBLE_EQ(warmed.at(1), 1);
  EXPECT_DOUBLE_EQ(warmed.at(5), 2);
}

}  // namespace
}  // namespace expo
