#include "expo/checkpoint/open/model_reference.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/contains.h"
#include "support/hub_cache_folder.h"

namespace expo {
namespace {

const std::string kCommit(40, '7');

std::string refusal(const std::string& name, const Environment& environment) {
  try {
    locate_model(posix_filesystem(), name, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

using Parts = std::vector<std::string>;

Parts split(const std::string& reference) {
  return split_reference(posix_filesystem(), reference);
}

TEST(SplitReference, SeparatesBaseAndAdapters) {
  EXPECT_EQ(split("owner/base"), (Parts{"owner/base"}));
  EXPECT_EQ(split("owner/base@v1+/no/such"), (Parts{"owner/base@v1", "/no/such"}));
  EXPECT_EQ(split("a+b+c"), (Parts{"a", "b", "c"}));
}

TEST(SplitReference, LeavesExistingPathsWhole) {
  const TemporaryFolder folder;
  folder.write("c++/model/config.json", "{}");
  folder.write("ada+pter/adapter_config.json", "{}");
  const std::string model = folder / "c++/model";
  const std::string adapter = folder / "ada+pter";
  EXPECT_EQ(split(model), (Parts{model}));
  EXPECT_EQ(split(model + "+" + adapter), (Parts{model, adapter}));
  EXPECT_EQ(split("owner/base+" + adapter + "+" + adapter),
            (Parts{"owner/base", adapter, adapter}));
}

TEST(SplitReference, RefusesEmptyParts) {
  for (const char* reference : {"", "+", "a+", "+a", "a++b"}) {
    EXPECT_THROW(split_reference(posix_filesystem(), reference), Error) << reference;
  }
}

TEST(LocateModel, TakesFoldersAndFiles) {
  const TemporaryFolder folder;
  const auto file = folder.write("m/model.safetensors", "x");
  const auto found = locate_model(posix_filesystem(), folder / "m", {});
  EXPECT_TRUE(found.is_folder);
  EXPECT_EQ(found.path, folder / "m");
  EXPECT_FALSE(found.snapshot);
  const auto single = locate_model(posix_filesystem(), file, {});
  EXPECT_FALSE(single.is_folder);
  EXPECT_EQ(single.path, file);
}

TEST(LocateModel, PrefersAPathToAnId) {
  const HubCacheFolder cache;
  cache.add("tests/support", kCommit, "config.json", "{}", "b");
  cache.set_ref("tests/support", "main", kCommit);
  const TemporaryFolder folder;
  folder.write("tests/support/config.json", "{}");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const auto local = locate_model(posix_filesystem(), "tests/support", cache.environment());
  const auto revision = locate_model(posix_filesystem(), "tests/support@main", cache.environment());
  std::filesystem::current_path(before);
  EXPECT_FALSE(local.snapshot);
  ASSERT_TRUE(revision.snapshot);
  EXPECT_EQ(revision.path, cache.snapshot("tests/support", kCommit));
}

TEST(LocateModel, FindsAnIdInTheCache) {
  const HubCacheFolder cache;
  cache.add("owner/name", kCommit, "config.json", "{}", "b");
  cache.set_ref("owner/name", "main", kCommit);
  cache.add("legacy-name", kCommit, "config.json", "{}", "b");
  cache.set_ref("legacy-name", "dev", kCommit);
  EXPECT_EQ(locate_model(posix_filesystem(), "owner/name", cache.environment()).path,
            cache.snapshot("owner/name", kCommit));
  const auto legacy = locate_model(posix_filesystem(), "legacy-name@dev", cache.environment());
  EXPECT_EQ(legacy.path, cache.snapshot("legacy-name", kCommit));
  EXPECT_EQ(legacy.snapshot->model_id, "legacy-name");
}

TEST(LocateModel, KnowsTheCachesOwnFolders) {
  const HubCacheFolder cache;
  cache.add("owner/name", kCommit, "config.json", "{}", "b");
  cache.set_ref("owner/name", "main", kCommit);
  const auto snapshot = locate_model(posix_filesystem(), cache.snapshot("owner/name", kCommit), {});
  ASSERT_TRUE(snapshot.snapshot);
  EXPECT_EQ(snapshot.snapshot->model_id, "owner/name");
  const auto repository = locate_model(posix_filesystem(), cache.repository("owner/name"), {});
  ASSERT_TRUE(repository.snapshot);
  EXPECT_EQ(repository.snapshot->commit, kCommit);
  EXPECT_EQ(repository.path.filename(), kCommit);
}

TEST(LocateModel, RefusesWhatIsNowhere) {
  const HubCacheFolder cache;
  const auto said = [&](const std::string& name) { return refusal(name, cache.environment()); };
  EXPECT_TRUE(contains(said("./no/such"), "no such file or folder"));
  EXPECT_TRUE(contains(said("/no/such/model.safetensors"), "no such file or folder"));
  EXPECT_TRUE(contains(said("owner/name"), "`hf download owner/name`"));
  EXPECT_TRUE(contains(said("owner/name@"), "revision is missing"));
  EXPECT_TRUE(contains(said("owner/name@a@b"), "`hf download owner/name --revision a@b`"));
}

}  // namespace
}  // namespace expo
