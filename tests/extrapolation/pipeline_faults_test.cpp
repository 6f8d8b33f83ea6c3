#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "support/contains.h"
#include "support/folder_files.h"
#include "support/safetensors_bytes.h"

namespace expo {
namespace {

constexpr unsigned kSeed = 20240425;

/// A checkpoint of float32 matrices, each of `width` numbers.
std::string weights(std::mt19937& random, const std::vector<std::string>& names,
                    std::size_t width) {
  std::string header;
  std::string data;
  for (const std::string& name : names) {
    const std::size_t begin = data.size();
    for (std::size_t i = 0; i < width; ++i) {
      const float value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 997;
      char bytes[sizeof value];
      std::memcpy(bytes, &value, sizeof value);
      data.append(bytes, sizeof value);
    }
    header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[4,{}],"data_offsets":[{},{}]}})",
                          header.empty() ? "" : ",", name, width / 4, begin, data.size());
  }
  return safetensors_bytes("{" + header + "}", data);
}

FolderFiles model(unsigned seed) {
  std::mt19937 random(seed);
  const std::string index = R"({"metadata":{"total_size":12288},"weight_map":{)"
                            R"("model.layers.0.a.weight":"model-00001-of-00002.safetensors",)"
                            R"("model.layers.1.a.weight":"model-00001-of-00002.safetensors",)"
                            R"("lm_head.weight":"model-00002-of-00002.safetensors"}})";
  return {{"config.json", R"({"model_type":"llama","torch_dtype":"float32"})"},
          {"tokenizer.json", "{}"},
          {"model.safetensors.index.json", index},
          {"model-00001-of-00002.safetensors",
           weights(random, {"model.layers.0.a.weight", "model.layers.1.a.weight"}, 1024)},
          {"model-00002-of-00002.safetensors", weights(random, {"lm_head.weight"}, 1024)}};
}

/// A disk with two checkpoints of two shards, and a job that makes a third one of three.
struct World {
  MemoryFilesystem memory;
  FaultInjectingFilesystem faults{memory};
  ExtrapolationJob job;

  World() {
    write_files(memory, "/models/sft", model(kSeed));
    write_files(memory, "/models/aligned", model(kSeed + 1));
    memory.create_directory("/disk");
    memory.make_durable();
    job.sft = "/models/sft";
    job.aligned = "/models/aligned";
    job.output = "/disk/out";
    job.alpha = AlphaSchedule(0.3);
    job.max_shard_size = 4096;
    job.threads = 1;
  }

  ExtrapolationReport run() {
    return run_extrapolation(faults, {}, job, nullptr, CancellationToken());
  }
  /// Without what the record says about the run rather than its result.
  FolderFiles output() {
    FolderFiles files = files_in(memory, "/disk/out");
    if (!files.contains("run.json")) return files;
    Json record = Json::parse(files["run.json"]);
    record.erase("warnings");
    files["run.json"] = record.dump();
    return files;
  }
  FolderFiles inputs() { return files_in(memory, "/models"); }
};

/// What a run without faults gives.
FolderFiles finished(double alpha = 0.3) {
  World world;
  world.job.alpha = AlphaSchedule(alpha);
  world.run();
  return world.output();
}

class PipelineFaults : public ::testing::Test {
 protected:
  PipelineFaults() { RecordProperty("seed", static_cast<int>(kSeed)); }

  using Body = std::function<void(World& world, Fault fault, const std::string& what)>;

  void for_every_call(const std::function<void(World&)>& prepare, const Body& body) {
    World counted;
    prepare(counted);
    counted.run();
    ASSERT_TRUE(same_files(counted.output(), expected_));
    for (std::size_t kind = 0; kind < kFileCalls; ++kind) {
      const auto call = static_cast<FileCall>(kind);
      for (std::size_t k = 1; k <= counted.faults.count(call); ++k) {
        World world;
        prepare(world);
        body(world, {.call = call, .occurrence = k}, fmt::format("{} {}", name_of(call), k));
        EXPECT_TRUE(same_files(world.inputs(), inputs_)) << name_of(call) << " " << k;
      }
    }
  }

  void expect_whole_or_absent(World& world, const FolderFiles& before, const std::string& what) {
    const FolderFiles found = world.output();
    EXPECT_TRUE(found == expected_ || found == before) << what;
  }

  void expect_finished_by_rerun(World& world, bool resume, const std::string& what) {
    world.faults.clear();
    world.job.resume = resume;
    world.job.overwrite = true;
    resumed_ += world.run().resumed;
    EXPECT_TRUE(same_files(world.output(), expected_)) << what;
    EXPECT_EQ(world.memory.list("/disk"), std::vector<std::string>{"out"}) << what;
  }

  FolderFiles expected_ = finished();
  FolderFiles inputs_ = World().inputs();
  FolderFiles old_ = {{"config.json", "{}"}, {"model.safetensors", "old"}};
  int resumed_ = 0;
};

TEST_F(PipelineFaults, TheReferenceHasThreeShards) {
  EXPECT_EQ(expected_.count("model-00003-of-00003.safetensors"), 1u);
  EXPECT_EQ(expected_.count("model.safetensors.index.json"), 1u);
  EXPECT_EQ(expected_.count("run.json"), 1u);
  for (const auto& [name, text] : expected_) EXPECT_FALSE(name.starts_with(".expo")) << name;
}

TEST_F(PipelineFaults, EveryCallFailsOnceOrForGood) {
  for (unsigned mode = 0; mode < 8; ++mode) {
    const bool full_disk = (mode & 1) != 0;  // after half of the work; else an error at once
    const bool lasting = (mode & 2) != 0;
    const bool overwrite = (mode & 4) != 0;
    const auto prepare = [&](World& world) {
      if (!overwrite) return;
      write_files(world.memory, "/disk/out", old_);
      world.job.overwrite = true;
    };
    for_every_call(prepare, [&](World& world, Fault fault, std::string what) {
      what += fmt::format(" mode {}", mode);
      fault.error = full_disk ? ENOSPC : EIO;
      fault.halfway = full_disk;
      fault.lasting = lasting;
      world.faults.inject(fault);
      bool failed = false;
      try {
        world.run();
      } catch (const Error& error) {
        failed = true;
        EXPECT_EQ(error.category(), ErrorCategory::environment) << what << ": " << error.what();
      }
      EXPECT_TRUE(world.faults.struck()) << what;
      if (!failed) {
        EXPECT_TRUE(same_files(world.output(), expected_)) << what;
      }
      expect_whole_or_absent(world, overwrite ? old_ : FolderFiles(), what);
      expect_finished_by_rerun(world, !lasting, what);
    });
  }
  EXPECT_GT(resumed_, 0);
}

TEST_F(PipelineFaults, TheProcessDiesAtEveryCall) {
  for (unsigned mode = 0; mode < 8; ++mode) {
    const bool halfway = (mode & 1) != 0;
    const bool power_loss = (mode & 2) != 0;
    const bool overwrite = (mode & 4) != 0;
    const auto prepare = [&](World& world) {
      if (!overwrite) return;
      write_files(world.memory, "/disk/out", old_);
      world.memory.make_durable();
      world.job.overwrite = true;
    };
    for_every_call(prepare, [&](World& world, Fault fault, std::string what) {
      what += fmt::format(" mode {}", mode);
      fault.halfway = halfway;
      fault.death = true;
      world.faults.inject(fault);
      try {
        world.run();
      } catch (const ProcessDied&) {
      }
      EXPECT_TRUE(world.faults.struck()) << what;
      if (power_loss) world.memory.lose_power();
      expect_whole_or_absent(world, overwrite ? old_ : FolderFiles(), what);
      expect_finished_by_rerun(world, true, what);
    });
  }
  EXPECT_GT(resumed_, 0);
}

/// With several threads the k-th call is another one each time, and so are the finished files.
TEST_F(PipelineFaults, ThreadsFailTogether) {
  const auto prepare = [](World& world) { world.job.threads = 3; };
  for_every_call(prepare, [&](World& world, Fault fault, const std::string& what) {
    fault.death = fault.occurrence % 2 == 0;
    world.faults.inject(fault);
    try {
      world.run();
    } catch (const Error&) {
    } catch (const ProcessDied&) {
    }
    expect_whole_or_absent(world, {}, what);
    expect_finished_by_rerun(world, true, what);
  });
}

/// Stops a run when two of its three shards are done.
void interrupt(World& world) {
  world.faults.inject({.call = FileCall::sync_directory, .occurrence = 4});
  EXPECT_THROW(world.run(), Error);
  world.faults.clear();
  ASSERT_TRUE(world.memory.exists("/disk/.out.expo-partial/.expo-journal.json"));
  world.job.resume = true;
}

TEST_F(PipelineFaults, ResumeReadsAndWritesOnlyWhatIsMissing) {
  World fresh;
  const ExtrapolationReport whole = fresh.run();
  World world;
  interrupt(world);
  const ExtrapolationReport report = world.run();
  EXPECT_TRUE(report.resumed);
  EXPECT_LT(report.bytes_written, whole.bytes_written);
  EXPECT_TRUE(same_files(world.output(), expected_));
  ASSERT_EQ(report.deltas.size(), whole.deltas.size());
}

TEST_F(PipelineFaults, ResumeWithOtherSettingsStartsOver) {
  World world;
  interrupt(world);
  world.job.alpha = AlphaSchedule(0.5);
  EXPECT_FALSE(world.run().resumed);
  EXPECT_TRUE(same_files(world.output(), finished(0.5)));

  // Types of one width leave every file its size.
  World typed;
  interrupt(typed);
  typed.job.out_type = DType::f16;
  EXPECT_FALSE(typed.run().resumed);
  World straight;
  straight.job.out_type = DType::f16;
  straight.run();
  EXPECT_TRUE(same_files(typed.output(), straight.output()));

  World other;
  interrupt(other);
  other.job.max_shard_size = 1 << 20;
  EXPECT_FALSE(other.run().resumed);
  EXPECT_EQ(other.output().count("model.safetensors"), 1u);
  EXPECT_EQ(other.output().count("model-00001-of-00003.safetensors"), 0u);
}

TEST_F(PipelineFaults, ResumeAfterAnInputChangedStartsOver) {
  World world;
  interrupt(world);
  write_files(world.memory, "/models/sft", model(kSeed + 2));
  EXPECT_FALSE(world.run().resumed);
  World fresh;
  write_files(fresh.memory, "/models/sft", model(kSeed + 2));
  fresh.run();
  EXPECT_TRUE(same_files(world.output(), fresh.output()));
}

TEST_F(PipelineFaults, AFullDiskIsNoticedBeforeWork) {
  World world;
  world.memory.set_capacity(12288 + 4096);  // the inputs alone are more than that
  EXPECT_EQ(world.memory.free_bytes("/"), 0u);
  try {
    world.run();
    ADD_FAILURE() << "was written to a full disk";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment);
    EXPECT_TRUE(contains(error.what(), "free some space"));
  }
  EXPECT_EQ(world.faults.count(FileCall::write), 0u);
  EXPECT_TRUE(world.memory.list("/disk").empty());
}

TEST_F(PipelineFaults, ADiskThatFillsUpAnywhereLeavesNothing) {
  const std::uint64_t plenty = 1 << 20;
  const auto used = [](World& world) {
    world.memory.set_capacity(plenty);
    return plenty - world.memory.free_bytes("/");
  };
  World counted;
  const std::uint64_t before = used(counted);
  counted.run();
  const std::uint64_t needed = used(counted) - before;
  for (std::uint64_t room = 0; room < needed; room += 97) {
    World world;
    world.memory.set_capacity(used(world) + room);
    try {
      world.run();
      EXPECT_TRUE(same_files(world.output(), expected_))
          << room;  // the journal alone did not fit, or did
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::environment) << error.what();
      EXPECT_TRUE(world.output().empty()) << room;
    }
    EXPECT_TRUE(same_files(world.inputs(), inputs_)) << room;
    world.memory.set_capacity(plenty);
    expect_finished_by_rerun(world, true, fmt::format("with room for {}", room));
  }
}

}  // namespace
}  // namespace expo
