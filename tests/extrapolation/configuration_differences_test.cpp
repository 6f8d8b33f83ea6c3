#include "expo/extrapolation/diagnosis/configuration_differences.h"

#include <gtest/gtest.h>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "support/folder_files.h"
#include "support/tensor_file.h"

namespace expo {
namespace {

std::vector<std::string> differences(const std::string& sft, const std::string& model) {
  MemoryFilesystem disk;
  const std::string weights = tensor_file({{"w", {1}, {0.5}}});
  write_files(disk, "/sft", {{"config.json", sft}, {"model.safetensors", weights}});
  write_files(disk, "/model", {{"config.json", model}, {"model.safetensors", weights}});
  return configuration_differences(*open_checkpoint(disk, "/sft", {}, {}),
                                   *open_checkpoint(disk, "/model", {}, {}));
}

using Lines = std::vector<std::string>;

TEST(ConfigurationDifferences, NamesWhatChangesTheComputation) {
  EXPECT_EQ(differences(R"({"rope_theta": 10000, "rms_norm_eps": 1e-5, "hidden_act": "silu"})",
                        R"({"rope_theta": 500000, "rms_norm_eps": 1e-5, "hidden_act": "gelu"})"),
            (Lines{R"(hidden_act is "gelu", and "silu" in SFT)",
                   "rope_theta is 500000, and 10000 in SFT"}));
  EXPECT_EQ(differences(R"({"rope_scaling": {"factor": 2}})", R"({"rope_scaling": {"factor": 4}})"),
            Lines{R"(rope_scaling is {"factor":4}, and {"factor":2} in SFT)"});
}

TEST(ConfigurationDifferences, NumbersAreComparedByTheirValue) {
  EXPECT_EQ(differences(R"({"rope_theta": 10000})", R"({"rope_theta": 10000.0})"), Lines());
}

TEST(ConfigurationDifferences, WhatIsSwitchedOnInOneOfThemCounts) {
  EXPECT_EQ(differences(R"({"rope_scaling": null})", R"({"rope_scaling": {"factor": 4}})"),
            Lines{R"(rope_scaling is {"factor":4}, and not there in SFT)"});
  EXPECT_EQ(differences(R"({"sliding_window": 4096})", R"({})"),
            Lines{"sliding_window is not there, and 4096 in SFT"});
  EXPECT_EQ(differences(R"({"mlp_bias": false})", R"({"rope_scaling": null})"), Lines());
}

TEST(ConfigurationDifferences, TheLengthCountsWhereItScalesRotations) {
  EXPECT_EQ(
      differences(R"({"max_position_embeddings": 2048})", R"({"max_position_embeddings": 8192})"),
      Lines());
  EXPECT_EQ(
      differences(R"({"rope_scaling": {"type": "dynamic"}, "max_position_embeddings": 2048})",
                  R"({"rope_scaling": {"type": "dynamic"}, "max_position_embeddings": 8192})"),
      Lines{"max_position_embeddings is 8192, and 2048 in SFT"});
}

TEST(ConfigurationDifferences, LeavesOutWhatChangesNoLogit) {
  EXPECT_EQ(
      differences(R"({"torch_dtype": "float32", "eos_token_id": 2, "use_cache": true})",
                  R"({"torch_dtype": "bfloat16", "eos_token_id": [2, 7], "use_cache": false})"),
      Lines());
}

TEST(ConfigurationDifferences, LeavesOutWhatOneOfThemDoesNotSay) {
  EXPECT_EQ(differences(R"({"head_dim": 64})", R"({"hidden_act": "silu"})"), Lines());
}

}  // namespace
}  // namespace expo
