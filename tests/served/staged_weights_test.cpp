#include "expo/served/weights/staged_weights.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/folder_files.h"
#include "support/temporary_folder.h"
#include "support/tensor_file.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kRows = 1024;
constexpr std::size_t kColumns = 16;
constexpr std::uint64_t kShard = kRows * kColumns * sizeof(float);
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

/// What a model adds to θ_sft in each tensor; all are of one shape, so each has a shard of its own.
using Steps = std::vector<std::pair<std::string, double>>;

const Steps kPair = {{kEmbedding, 0.5},
                     {"model.layers.0.mlp.up_proj.weight", 0.25},
                     {"model.layers.1.mlp.up_proj.weight", 0}};

/// The value of element i, exact in float32 at the α of these tests.
double value(std::size_t i, double step) {
  return static_cast<double>(i) / 64 + step;
}

FolderFiles model(const Steps& steps, double share) {
  std::vector<FileTensor> tensors;
  for (const auto& [name, step] : steps) {
    FileTensor tensor{name, {kRows, kColumns}, {}};
    for (std::size_t i = 0; i < kRows * kColumns; ++i)
      tensor.values.push_back(value(i, step * share));
    tensors.push_back(std::move(tensor));
  }
  return {{"config.json", R"({"model_type":"llama","architectures":["LlamaForCausalLM"],)"
                          R"("tie_word_embeddings":true})"},
          {"model.safetensors", tensor_file(tensors)}};
}

/// A pair of models on a disk, and the folders in which it is staged.
struct World {
  Filesystem& disk;
  Path root;
  Steps steps;
  std::optional<StagedWeights> staged;

  World(Filesystem& filesystem, Path folder, Steps moved = kPair)
      : disk(filesystem), root(std::move(folder)), steps(std::move(moved)) {
    write_files(disk, root / "sft", model(steps, 0));
    write_files(disk, root / "aligned", model(steps, 1));
    start();
  }

  void start() {
    ServedPair pair;
    pair.sft = (root / "sft").string();
    pair.aligned = (root / "aligned").string();
    pair.staging = root / "stage";
    pair.max_shard_size = kShard;
    pair.threads = 1;
    staged.emplace(disk, Environment(), pair, DType::f32,
                   std::vector<Path>{root / "sft", root / "aligned"});
  }

  StagedCheckpoint at(double alpha) {
    StagedCheckpoint checkpoint = staged->at(AlphaSchedule(alpha), CancellationToken());
    for (const auto& [name, step] : steps) {
      const auto found = values(checkpoint.folder, name);
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_EQ(found[i], value(i, step * (1 + alpha))) << name << " at " << alpha;
    }
    return checkpoint;
  }

  StagedCheckpoint with_other_head(const StagedCheckpoint& checkpoint) {
    const std::vector<AnsweredTokens> texts = {{.tokens = {0, 9, 7}, .answer_start = 1}};
    return staged->with_other_head(checkpoint, texts, CancellationToken());
  }

  std::vector<float> values(const Path& folder, const std::string& name) {
    const auto checkpoint = open_checkpoint(disk, folder.string(), {}, {});
    ReadScratch scratch;
    const auto bytes =
        checkpoint->read(checkpoint->find(name).value(), 0, kRows * kColumns, scratch);
    std::vector<float> result(kRows * kColumns);
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

  /// The file that holds a tensor.
  Path file(const Path& folder, const std::string& name) {
    const auto checkpoint = open_checkpoint(disk, folder.string(), {}, {});
    const Tensor& tensor = checkpoint->tensors()[checkpoint->find(name).value()];
    return checkpoint->files()[tensor.extent.value().file].path;
  }
};

ino_t inode(const Path& file) {
  struct stat status {};
  EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
  return status.st_ino;
}

class StagedOnDisk : public ::testing::Test {
 protected:
  bool share(World& world, const StagedCheckpoint& one, const StagedCheckpoint& two,
             const std::string& tensor) {
    const Path file = world.file(one.folder, tensor);
    return inode(file) == inode(two.folder / file.filename());
  }

  TemporaryFolder folder_;
};

TEST_F(StagedOnDisk, AFileThatAlphaDoesNotMoveIsWrittenOnce) {
  World world(posix_filesystem(), folder_.path());
  const StagedCheckpoint first = world.at(0.5);
  const StagedCheckpoint second = world.at(0);
  EXPECT_NE(first.folder, second.folder);
  EXPECT_TRUE(share(world, first, second, kPair[2].first));
  EXPECT_FALSE(share(world, first, second, kPair[0].first));
  EXPECT_FALSE(share(world, first, second, kPair[1].first));
  const ino_t before = inode(world.file(second.folder, kPair[2].first));
  const StagedCheckpoint third = world.at(-1);
  EXPECT_EQ(third.folder, first.folder);
  EXPECT_EQ(inode(world.file(third.folder, kPair[2].first)), before);
  // What the later one was written over is as it was.
  EXPECT_EQ(world.at(0).digest, second.digest);
  EXPECT_EQ(world.at(0.5).digest, first.digest);
  world.staged.reset();
  EXPECT_TRUE(posix_filesystem().list(world.root / "stage").empty());
}

TEST_F(StagedOnDisk, AnotherHeadHasAllOtherFilesInCommon) {
  World world(posix_filesystem(), folder_.path());
  world.at(0.5);
  const StagedCheckpoint now = world.at(0);
  EXPECT_EQ(now.tied_head, std::vector<std::string>{kEmbedding});
  const StagedCheckpoint changed = world.with_other_head(now);
  EXPECT_NE(changed.digest, now.digest);
  EXPECT_FALSE(share(world, now, changed, kEmbedding));
  EXPECT_TRUE(share(world, now, changed, kPair[1].first));
  EXPECT_TRUE(share(world, now, changed, kPair[2].first));
  auto expected = world.values(now.folder, kEmbedding);
  // Tokens 1 and 2 are in no text; 7 and 9 are what its answer consists of.
  std::copy_n(expected.begin() + 7 * kColumns, kColumns, expected.begin() + 1 * kColumns);
  std::copy_n(expected.begin() + 9 * kColumns, kColumns, expected.begin() + 2 * kColumns);
  EXPECT_EQ(world.values(changed.folder, kEmbedding), expected);
  world.at(0);
  EXPECT_TRUE(posix_filesystem().exists(changed.folder));
  world.at(2);
  EXPECT_FALSE(posix_filesystem().exists(changed.folder)) << "its files would take room";
}

TEST_F(StagedOnDisk, AnotherHeadIsNotWrittenThroughALink) {
  World world(posix_filesystem(), folder_.path(),
              {{kEmbedding, 0}, {"model.layers.0.mlp.up_proj.weight", 0.25}, {kHead, 0.5}});
  const StagedCheckpoint first = world.at(0.5);
  const StagedCheckpoint now = world.at(0);
  EXPECT_TRUE(share(world, first, now, kEmbedding));
  EXPECT_EQ(now.tied_head, (std::vector<std::string>{kEmbedding, kHead}));
  const StagedCheckpoint changed = world.with_other_head(now);
  for (const char* name : {kEmbedding, kHead}) {
    EXPECT_FALSE(share(world, now, changed, name));
    EXPECT_NE(world.values(changed.folder, name), world.values(now.folder, name));
  }
  world.at(0);
  world.at(0.5);
}

TEST_F(StagedOnDisk, WhatAKilledRunHasLeftTakesNoRoom) {
  World world(posix_filesystem(), folder_.path());
  const Path stage = world.root / "stage";
  world.staged.reset();
  for (const char* name : {".expo-staged-1.expo-partial", ".expo-staged-head.expo-partial"})
    write_files(world.disk, stage / name, {{"model.safetensors", "half"}});
  world.start();
  EXPECT_EQ(world.disk.list(stage), std::vector<std::string>{".expo-staging-lock"});
}

TEST_F(StagedOnDisk, WhoSharesTheLockMayUseTheFolderOnceItIsLetGo) {
  Filesystem& disk = posix_filesystem();
  World one(disk, folder_.path());
  ServedPair pair;
  pair.sft = (one.root / "sft").string();
  pair.aligned = (one.root / "sft").string();
  pair.staging = one.root / "stage";
  const auto other = [&](const std::shared_ptr<OutputLock>& lock) {
    return std::make_unique<StagedWeights>(disk, Environment(), pair, DType::f32,
                                           std::vector<Path>{one.root / "sft"}, lock);
  };
  const StagedCheckpoint before = one.at(1);
  one.with_other_head(before);
  one.staged->let_go();
  EXPECT_FALSE(disk.exists(before.folder));
  EXPECT_FALSE(disk.exists(one.root / "stage" / "expo-staged-head"));
  EXPECT_THROW(other(nullptr), Error) << "another run stays out";
  const auto second = other(one.staged->lock());
  second->at(AlphaSchedule(0), CancellationToken());
  second->let_go();
  second->let_go();
  EXPECT_EQ(one.at(1).digest, before.digest);
}

TEST(StagedInMemory, AHeadThatAlphaDoesNotMoveNeedsNoProof) {
  MemoryFilesystem memory;
  World world(memory, "/", {{kEmbedding, 0}, {"model.layers.0.mlp.up_proj.weight", 0.25}});
  EXPECT_TRUE(world.at(0.5).tied_head.empty());
}

TEST(StagedInMemory, AllIsWrittenWhereThereAreNoHardLinks) {
  MemoryFilesystem memory;
  memory.set_hard_links(false);
  World world(memory, "/");
  world.at(0.5);
  const StagedCheckpoint now = world.at(0);
  const StagedCheckpoint changed = world.with_other_head(now);
  EXPECT_NE(world.values(changed.folder, kEmbedding), world.values(now.folder, kEmbedding));
  EXPECT_EQ(world.values(changed.folder, kPair[1].first), world.values(now.folder, kPair[1].first));
  world.at(-1);
}

TEST(StagedInMemory, ASecondCheckpointNeedsRoomForWhatMovesOnly) {
  for (const bool links : {true, false}) {
    MemoryFilesystem memory;
    World world(memory, "/");
    world.at(0.5);
    memory.set_hard_links(links);
    const std::uint64_t used = ~std::uint64_t{0} - memory.free_bytes("/");
    // Each file has a head of 4096 bytes; two of three, and what goes with them, must be enough.
    memory.set_capacity(used + 5 * (kShard + 4096) / 2);
    if (links) {
      world.at(0);
      continue;
    }
    try {
      world.at(0);
      ADD_FAILURE() << "written without room";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::environment) << error.what();
      EXPECT_EQ(std::string(error.what()).find("--resume"), std::string::npos) << error.what();
    }
    EXPECT_FALSE(memory.exists("/stage/expo-staged-2"));
    EXPECT_FALSE(memory.exists("/stage/.expo-staged-2.expo-partial"));
  }
}

}  // namespace
}  // namespace expo
