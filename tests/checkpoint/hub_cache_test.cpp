#include "expo/checkpoint/hub/cache.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/contains.h"
#include "support/hub_cache_folder.h"

namespace expo {
namespace {

const std::string kId = "owner/some-model";
const std::string kOne = "1111111111111111111111111111111111111111";
const std::string kTwo = "1111222222222222222222222222222222222222";

std::string sha(char digit) {
  return std::string(64, digit);
}

/// The message with which find_hub_snapshot refuses.
std::string refusal(const std::string& id, const std::string& revision,
                    const Environment& environment) {
  try {
    find_hub_snapshot(posix_filesystem(), id, revision, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(HubCacheLocation, FollowsTheVariablesInTheirOrder) {
  Environment all{{"HF_HUB_CACHE", "/a"},
                  {"HUGGINGFACE_HUB_CACHE", "/b"},
                  {"HF_HOME", "/c"},
                  {"XDG_CACHE_HOME", "/d"},
                  {"HOME", "/e"}};
  EXPECT_EQ(hub_cache_folder(all), "/a");
  all.erase("HF_HUB_CACHE");
  EXPECT_EQ(hub_cache_folder(all), "/b");
  all.erase("HUGGINGFACE_HUB_CACHE");
  EXPECT_EQ(hub_cache_folder(all), "/c/hub");
  all.erase("HF_HOME");
  EXPECT_EQ(hub_cache_folder(all), "/d/huggingface/hub");
  all.erase("XDG_CACHE_HOME");
  EXPECT_EQ(hub_cache_folder(all), "/e/.cache/huggingface/hub");
}

TEST(HubCacheLocation, ExpandsHomeAndVariables) {
  EXPECT_EQ(hub_cache_folder({{"HF_HOME", "~/hf"}, {"HOME", "/h"}}), "/h/hf/hub");
  EXPECT_EQ(hub_cache_folder({{"HF_HUB_CACHE", "/x/${WHO}/$WHO.d"}, {"WHO", "me"}}), "/x/me/me.d");
  EXPECT_EQ(hub_cache_folder({{"HF_HUB_CACHE", "/x/$NOBODY/${"}}), "/x/$NOBODY/${");
}

TEST(HubId, TakesWhatTheHubTakes) {
  for (const char* id : {"gpt2", "owner/name", "Qwen/Qwen2.5-0.5B", "a_b/c.d-e", "0/1"}) {
    EXPECT_TRUE(is_hub_id(id)) << id;
  }
  for (const char* id : {"", "/", "a/", "/b", "a/b/c", "./a", "../a", "a--b", "a..b", "a/b.git",
                         "-a", "a/.b", "a b", "a/b@c", "a/b+c", "~/a", "caf\xc3\xa9"}) {
    EXPECT_FALSE(is_hub_id(id)) << id;
  }
  EXPECT_FALSE(is_hub_id("a/" + std::string(97, 'b')));
}

TEST(HubSnapshots, ResolvesBranchTagAndCommit) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "config.json", "{}", "b1");
  cache.add(kId, kTwo, "config.json", "{ }", "b2");
  cache.set_ref(kId, "main", kOne);
  cache.set_ref(kId, "v2.0", kTwo + "\n");
  cache.set_ref(kId, "refs/pr/7", kTwo);
  const auto commit = [&](const std::string& revision) {
    return find_hub_snapshot(posix_filesystem(), kId, revision, cache.environment()).commit;
  };
  EXPECT_EQ(commit(""), kOne);
  EXPECT_EQ(commit("main"), kOne);
  EXPECT_EQ(commit("v2.0"), kTwo);
  EXPECT_EQ(commit("refs/pr/7"), kTwo);
  EXPECT_EQ(commit(kTwo), kTwo);
  EXPECT_EQ(commit("111122"), kTwo);
  const HubSnapshot found = find_hub_snapshot(posix_filesystem(), kId, "v2.0", cache.environment());
  EXPECT_EQ(found.folder, cache.snapshot(kId, kTwo));
  EXPECT_EQ(found.model_id, kId);
  EXPECT_EQ(download_command(found), "hf download owner/some-model --revision v2.0");
}

TEST(HubSnapshots, RefusesAnAmbiguousCommit) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "config.json", "{}", "b1");
  cache.add(kId, kTwo, "config.json", "{ }", "b2");
  const std::string message = refusal(kId, "1111", cache.environment());
  EXPECT_TRUE(contains(message, kOne));
  EXPECT_TRUE(contains(message, kTwo));
  EXPECT_TRUE(contains(refusal(kId, "111", cache.environment()), "--revision 111`"))
      << "three digits are too few for a commit";
}

TEST(HubSnapshots, RefusesTheAbsentWithTheLineThatGetsIt) {
  const HubCacheFolder cache;
  EXPECT_TRUE(contains(refusal(kId, "", cache.environment()), "`hf download owner/some-model`"));
  EXPECT_TRUE(contains(refusal("gpt2", "", cache.environment()), "`hf download gpt2`"));
  EXPECT_TRUE(contains(refusal(kId, "v9", cache.environment()),
                       "`hf download owner/some-model --revision v9`"));
  EXPECT_TRUE(contains(refusal(kId, "", cache.environment()), cache.path().string()));
}

TEST(HubSnapshots, SaysWhichCommitsThereAreInstead) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "config.json", "{}", "b1");
  const std::string message = refusal(kId, "", cache.environment());
  EXPECT_TRUE(contains(message, kOne));
  EXPECT_TRUE(contains(message, "`hf download owner/some-model`"));
}

TEST(HubSnapshots, RefusesARefWithoutItsSnapshot) {
  const HubCacheFolder cache;
  cache.set_ref(kId, "main", kOne);
  EXPECT_TRUE(contains(refusal(kId, "", cache.environment()), "hf download"));
}

TEST(HubSnapshots, NeverLeavesTheCache) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "config.json", "{}", "b1");
  cache.set_ref(kId, "main", "../../../../etc");
  EXPECT_TRUE(contains(refusal(kId, "", cache.environment()), "damaged"));
  for (const char* revision : {"../refs/main", "/etc/passwd", "a/../../b", "."}) {
    EXPECT_TRUE(contains(refusal(kId, revision, cache.environment()), "cannot be a revision"));
  }
}

TEST(HubSnapshots, KnowsAFolderByItsPath) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "config.json", "{}", "b1");
  const auto found = snapshot_at(posix_filesystem(), cache.snapshot(kId, kOne));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->model_id, kId);
  EXPECT_EQ(found->commit, kOne);
  EXPECT_EQ(download_command(*found), "hf download owner/some-model --revision " + kOne);
  EXPECT_FALSE(snapshot_at(posix_filesystem(), cache.path()));
  EXPECT_FALSE(snapshot_at(posix_filesystem(), cache.repository(kId)));
}

TEST(CachedDigest, IsTheBlobsNameForLfsFilesOnly) {
  const HubCacheFolder cache;
  cache.add(kId, kOne, "model.safetensors", "weights", sha('a'));
  cache.add(kId, kOne, "config.json", "{}", std::string(40, 'b'));
  const auto folder = cache.snapshot(kId, kOne);
  EXPECT_EQ(cached_sha256(posix_filesystem(), folder / "model.safetensors"), sha('a'));
  EXPECT_EQ(cached_sha256(posix_filesystem(), folder / "config.json"), std::nullopt);
}

TEST(CachedDigest, IsNotTheNameOfASharedBlob) {
  const HubCacheFolder cache;
  cache.add_shared(kId, kOne, "model.safetensors", "weights", sha('a'), sha('c'));
  cache.add_shared(kId, kOne, "other.safetensors", "others", std::string(40, 'e'), sha('d'));
  const auto folder = cache.snapshot(kId, kOne);
  EXPECT_EQ(cached_sha256(posix_filesystem(), folder / "model.safetensors"), sha('a'));
  EXPECT_EQ(cached_sha256(posix_filesystem(), folder / "other.safetensors"), std::nullopt);
}

TEST(CachedDigest, IsAbsentOutsideTheCache) {
  const TemporaryFolder folder;
  folder.write("blobs/" + sha('a'), "weights");
  EXPECT_EQ(cached_sha256(posix_filesystem(), folder / ("blobs/" + sha('a'))), std::nullopt);
}

}  // namespace
}  // namespace expo
