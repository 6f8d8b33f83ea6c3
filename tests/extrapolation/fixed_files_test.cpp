#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "support/folder_files.h"
#include "support/tensor_file.h"

namespace expo {
namespace {

constexpr std::size_t kValues = 2048;

/// Three matrices, of which the one in the middle is the same in both models: a shard of its own
/// each. It has zeros of both signs, whose sign α must not change.
FolderFiles model(double step, DType dtype = DType::f32) {
  std::vector<FileTensor> tensors;
  for (const int layer : {0, 1, 2}) {
    FileTensor tensor{fmt::format("model.layers.{}.a.weight", layer), {kValues / 8, 8}, {}, dtype};
    for (std::size_t i = 0; i < kValues; ++i) {
      const auto number = static_cast<double>((i * 37 + static_cast<std::size_t>(layer)) % 101);
      const double zero = i % 2 == 0 ? 0.0 : -0.0;
      const double base = i % 5 == 0 ? zero : (number - 50) / 37;
      tensor.values.push_back(layer == 1 ? base : base + step);
    }
    tensors.push_back(std::move(tensor));
  }
  return {{"config.json", R"({"model_type":"llama"})"},
          {"model.safetensors", tensor_file(tensors)}};
}

constexpr const char* kFixed = "model-00002-of-00003.safetensors";

/// A disk with the two models, and jobs that write to it.
struct World {
  MemoryFilesystem memory;
  FaultInjectingFilesystem faults{memory};
  ExtrapolationJob job;

  explicit World(DType dtype = DType::f32) {
    write_files(memory, "/models/sft", model(0, dtype));
    write_files(memory, "/models/aligned", model(0.01, dtype));
    memory.create_directory("/disk");
    memory.make_durable();
    job.sft = "/models/sft";
    job.aligned = "/models/aligned";
    job.max_shard_size = kValues * 4;
    job.threads = 1;
    job.rounding = RoundingChoice::nearest;
  }

  ExtrapolationReport run(const std::string& output, double alpha) {
    job.output = output;
    job.alpha = AlphaSchedule(alpha);
    return run_extrapolation(faults, {}, job, nullptr, CancellationToken());
  }
  /// The output's weights and what goes with them.
  FolderFiles files(const std::string& output) {
    FolderFiles all = files_in(memory, output);
    all.erase("run.json");
    return all;
  }
  /// Whether the two have one file of this name.
  bool share(const std::string& file) {
    const std::string before = memory.read_text("/disk/two/" + file);
    memory.create("/disk/one/" + file, Caching::buffered);
    const bool is_one = memory.read_text("/disk/two/" + file).empty();
    memory.write_text("/disk/one/" + file, before);
    return is_one;
  }
};

/// What a job writes that takes over nothing.
FolderFiles alone(
    double alpha, DType dtype = DType::f32,
    const std::function<void(World&)>& prepare = [](World&) {}) {
  World world(dtype);
  prepare(world);
  world.run("/disk/out", alpha);
  return world.files("/disk/out");
}

TEST(FixedFiles, AreTakenOverAtEveryAlpha) {
  for (const double alpha : {0.0, -1.0, 0.5, 7.0}) {
    World world;
    world.job.fixed = world.run("/disk/one", 0.3).fixed;
    const auto report = world.run("/disk/two", alpha);
    EXPECT_TRUE(same_files(world.files("/disk/two"), alone(alpha))) << alpha;
    EXPECT_TRUE(same_files(world.files("/disk/one"), alone(0.3))) << alpha;
    EXPECT_TRUE(world.share(kFixed));
    EXPECT_FALSE(world.share("model-00001-of-00003.safetensors"));
    EXPECT_FALSE(world.share("model-00003-of-00003.safetensors"));
    World other;
    const auto expected = other.run("/disk/two", alpha);
    EXPECT_EQ(to_json(report)["delta"], to_json(expected)["delta"])
        << "the sums are taken over too";
    EXPECT_LT(report.bytes_written, expected.bytes_written * 3 / 4);
    EXPECT_EQ(report.files, expected.files);
  }
}

TEST(FixedFiles, AreWrittenWhereTheFilesystemHasNoHardLinks) {
  World world;
  world.memory.set_hard_links(false);
  world.job.fixed = world.run("/disk/one", 0.3).fixed;
  world.run("/disk/two", 0.5);
  EXPECT_TRUE(same_files(world.files("/disk/two"), alone(0.5)));
  EXPECT_FALSE(world.share(kFixed));
}

TEST(FixedFiles, AreWrittenForOtherInputsAndSettings) {
  const std::vector<std::function<void(World&)>> changes = {
      [](World& world) { write_files(world.memory, "/models/aligned", model(0.02)); },
      [](World& world) { world.job.max_shard_size *= 2; },
      [](World& world) { world.job.out_type = DType::bf16; },
      [](World& world) { world.memory.remove(std::string("/disk/one/") + kFixed); },
      [](World& world) { world.memory.write_text(std::string("/disk/one/") + kFixed, "cut"); }};
  for (const auto& change : changes) {
    World world;
    world.job.fixed = world.run("/disk/one", 0.3).fixed;
    change(world);
    const auto kept = world.files("/disk/one");
    world.run("/disk/two", 0.5);
    World other;
    other.memory.create_directory("/disk/one");
    change(other);
    other.run("/disk/two", 0.5);
    EXPECT_TRUE(same_files(world.files("/disk/two"), other.files("/disk/two")));
    EXPECT_TRUE(same_files(world.files("/disk/one"), kept));
  }
}

TEST(FixedFiles, DependOnTheRoundingOnlyWhereTheyAreRounded) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    World world(dtype);
    world.job.max_shard_size = kValues * 2;
    world.job.out_type = DType::bf16;
    world.job.fixed = world.run("/disk/one", 0.3).fixed;
    const auto stochastic = [&](World& each) {
      each.job.max_shard_size = kValues * 2;
      each.job.out_type = DType::bf16;
      each.job.rounding = RoundingChoice::stochastic;
    };
    stochastic(world);
    world.run("/disk/two", 0.5);
    EXPECT_TRUE(same_files(world.files("/disk/two"), alone(0.5, dtype, stochastic)));
    EXPECT_EQ(world.share(kFixed), dtype == DType::bf16);
  }
}

TEST(FixedFiles, AreWrittenForTheRoundingOfTheOriginalWhichChangesZeros) {
  const auto original = [](World& each) {
    each.job.max_shard_size = kValues * 2;
    each.job.rounding = RoundingChoice::like_original;
  };
  World world(DType::bf16);
  world.job.max_shard_size = kValues * 2;
  world.job.fixed = world.run("/disk/one", 0.3).fixed;
  original(world);
  world.job.fixed = world.run("/disk/two", 0.5).fixed;
  EXPECT_TRUE(same_files(world.files("/disk/two"), alone(0.5, DType::bf16, original)));
  EXPECT_FALSE(world.share(kFixed));
  world.run("/disk/three", -0.5);
  EXPECT_TRUE(same_files(world.files("/disk/three"), alone(-0.5, DType::bf16, original)));
}

TEST(FixedFiles, NeedNoRoom) {
  World measured;
  measured.job.fixed = measured.run("/disk/one", 0.3).fixed;
  const std::uint64_t before = measured.memory.free_bytes("/");
  measured.run("/disk/two", 0.5);
  const std::uint64_t needed = before - measured.memory.free_bytes("/");
  // A shard has a head of 4096 bytes.
  EXPECT_LT(needed, 3 * (kValues * 4 + 4096)) << "less than three shards";
  for (const bool links : {true, false}) {
    World world;
    world.job.fixed = world.run("/disk/one", 0.3).fixed;
    world.memory.set_hard_links(links);
    const std::uint64_t used = ~std::uint64_t{0} - world.memory.free_bytes("/");
    world.memory.set_capacity(used + needed + 6000);  // the journal goes again
    if (links) {
      world.run("/disk/two", 0.5);
      EXPECT_TRUE(same_files(world.files("/disk/two"), alone(0.5)));
      continue;
    }
    try {
      world.run("/disk/two", 0.5);
      ADD_FAILURE() << "written without room";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::environment);
    }
    EXPECT_FALSE(world.memory.exists("/disk/two"));
  }
}

/// Whatever call fails: the earlier output stays as it is, and the later one is whole or absent.
TEST(FixedFiles, OutliveEveryFault) {
  const FolderFiles first = alone(0.3);
  const FolderFiles second = alone(0.5);
  World counted;
  counted.job.keep_finished = false;
  counted.job.fixed = counted.run("/disk/one", 0.3).fixed;
  counted.faults.clear();
  counted.run("/disk/two", 0.5);
  for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
    const auto call = static_cast<FileCall>(kind);
    for (std::size_t k = 1; k <= counted.faults.count(call); ++k) {
      World world;
      world.job.keep_finished = false;
      world.job.fixed = world.run("/disk/one", 0.3).fixed;
      world.faults.inject({.call = call, .occurrence = k, .halfway = true});
      const std::string what = fmt::format("{} {}", name_of(call), k);
      try {
        world.run("/disk/two", 0.5);
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find("--resume"), std::string::npos) << error.what();
      }
      world.faults.clear();
      EXPECT_TRUE(same_files(world.files("/disk/one"), first)) << what;
      const FolderFiles found = world.files("/disk/two");
      EXPECT_TRUE(found.empty() || found == second) << what;
      world.job.overwrite = true;
      world.run("/disk/two", 0.5);
      EXPECT_TRUE(same_files(world.files("/disk/two"), second)) << what;
      EXPECT_TRUE(same_files(world.files("/disk/one"), first)) << what;
      EXPECT_EQ(world.memory.list("/disk"), (std::vector<std::string>{"one", "two"})) << what;
    }
  }
}

}  // namespace
}  // namespace expo
