#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "expo/checkpoint/folder/links.h"
#include "expo/checkpoint/folder/sidecars.h"
#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "support/contains.h"
#include "support/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

const char* const kHash = "0123456789abcdef0123456789abcdef";
const char* const kOther = "fedcba9876543210fedcba9876543210";

std::string one_tensor(const std::string& name) {
  return safetensors_bytes("{\"" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                           "\x01\x02\x03\x04");
}

Names names_of(const Checkpoint& checkpoint) {
  Names names;
  for (const Sidecar& sidecar : checkpoint.sidecars()) names.push_back(sidecar.name);
  return names;
}

std::string text_of(const Checkpoint& checkpoint, const std::string& name) {
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    if (sidecar.name == name)
      return posix_filesystem().read_text(std::get<fs::path>(sidecar.content));
  }
  return "no such sidecar";
}

/// A folder "model" of links to files elsewhere, absolute or relative.
struct Links : testing::TestWithParam<bool> {
  TemporaryFolder place;

  void link(const std::string& target, const std::string& name) const {
    const fs::path file = place / "model" / name;
    fs::create_directories(file.parent_path());
    fs::create_symlink(
        GetParam() ? place / target : fs::relative(place / target, file.parent_path()), file);
  }

  std::shared_ptr<const Checkpoint> open(const std::string& name = "model") const {
    return open_checkpoint(posix_filesystem(), (place / name).string(), {}, {});
  }

  std::string refusal() const {
    try {
      open();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      return error.what();
    }
    return "nothing was refused";
  }

  void write_store() {
    place.write("store/m/model.safetensors", one_tensor("a"));
    place.write("store/m/config.json", R"({"hidden_size": 8})");
    place.write("store/m/tokenizer.json", "the tokenizer");
    place.write("store/m/LICENSE", "free");
    place.write("store/m/.env", "SECRET=1");
    place.write("store/m/1_Pooling/config.json", "pooling");
    place.write("store/m/keys/vocab.txt", "keys");
    place.write("store/other/vocab.txt", "another model's");
    place.write("secret.json", R"({"secret": 1})");
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, Links, testing::Bool(), [](const auto& one) {
  return std::string(one.param ? "Absolute" : "Relative");
});

TEST_P(Links, DoNotLeadToWhatTheirOwnFolderHides) {
  place.write("model/model.safetensors", one_tensor("w"));
  place.write("model/config.json", "{}");
  place.write("model/.git/config", "https://user:password@host");
  link("model/.git/config", "LICENSE");
  const auto checkpoint = open();
  EXPECT_EQ(text_of(*checkpoint, "LICENSE"), "no such sidecar");
  ASSERT_EQ(checkpoint->warnings().size(), 1u);
  EXPECT_NE(checkpoint->warnings().front().find("LICENSE"), std::string::npos);
}

TEST_P(Links, ToTheStoreOfTheWeightsAreFollowed) {
  write_store();
  for (const char* name :
       {"model.safetensors", "config.json", "tokenizer.json", "LICENSE", "1_Pooling/config.json"}) {
    link(std::string("store/m/") + name, name);
  }
  for (const char* name : {"model", "model/model.safetensors"}) {
    const auto checkpoint = open(name);
    EXPECT_EQ(names_of(*checkpoint),
              (Names{"1_Pooling/config.json", "LICENSE", "config.json", "tokenizer.json"}));
    EXPECT_EQ(checkpoint->config().at("hidden_size"), 8);
    EXPECT_EQ(text_of(*checkpoint, "tokenizer.json"), "the tokenizer");
    EXPECT_EQ(text_of(*checkpoint, "1_Pooling/config.json"), "pooling");
    EXPECT_TRUE(checkpoint->warnings().empty());
  }
}

TEST_P(Links, ElsewhereAreLeftOutWithAWarning) {
  write_store();
  link("store/m/model.safetensors", "model.safetensors");
  link("secret.json", "config.json");
  link("store/other/vocab.txt", "vocab.txt");
  link("store/m/keys/vocab.txt", "vocab.json");
  link("store/m/.env", "LICENSE");
  link("store/m/tokenizer.json", "tokenizer.json");
  const auto checkpoint = open();
  EXPECT_EQ(names_of(*checkpoint), Names{"tokenizer.json"});
  EXPECT_TRUE(checkpoint->config().is_null());
  ASSERT_EQ(checkpoint->warnings().size(), 4u);
  for (const std::string& warning : checkpoint->warnings())
    EXPECT_TRUE(contains(warning, "is a link that leads out of the folder")) << warning;
  EXPECT_TRUE(contains(checkpoint->warnings()[1], (place / "secret.json").string()));
}

TEST_P(Links, NeedWeightsThatAreLinksThemselves) {
  write_store();
  place.write("model/model.safetensors", one_tensor("a"));
  link("store/m/config.json", "config.json");
  const auto checkpoint = open();
  EXPECT_TRUE(checkpoint->config().is_null());
  EXPECT_EQ(checkpoint->warnings().size(), 1u);
}

TEST_P(Links, ToWhatLiesAroundTheFolderAreNotFollowed) {
  place.write("model.safetensors", one_tensor("a"));
  place.write("notes.txt", "private");
  place.write("config.json", "{}");
  link("model.safetensors", "model.safetensors");
  link("notes.txt", "notes.txt");
  link("config.json", "config.json");
  const auto checkpoint = open();
  EXPECT_TRUE(checkpoint->sidecars().empty());
  EXPECT_TRUE(checkpoint->config().is_null());
  EXPECT_EQ(checkpoint->warnings().size(), 2u);
}

TEST_P(Links, OfShardsAndIndexLeadToOneStore) {
  write_store();
  place.write("store/m/s1.safetensors", one_tensor("a"));
  place.write("store/m/s2.safetensors", one_tensor("b"));
  const std::string index =
      R"({"metadata":{},"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})";
  place.write("store/m/model.safetensors.index.json", index);
  link("store/m/s1.safetensors", "s1.safetensors");
  link("store/m/s2.safetensors", "s2.safetensors");
  link("store/m/config.json", "config.json");
  // The index may be a link, or a file of the folder beside shards that are links.
  link("store/m/model.safetensors.index.json", "model.safetensors.index.json");
  EXPECT_EQ(names_of(*open()), Names{"config.json"});
  fs::remove(place / "model/model.safetensors.index.json");
  place.write("model/model.safetensors.index.json", index);
  EXPECT_EQ(names_of(*open()), Names{"config.json"});
  EXPECT_EQ(open()->tensors().size(), 2u);
  // Shards of two stores are of none.
  fs::remove(place / "model/s2.safetensors");
  place.write("store/other/s2.safetensors", one_tensor("b"));
  link("store/other/s2.safetensors", "s2.safetensors");
  EXPECT_TRUE(contains(refusal(), "the shard s1.safetensors is a link that leads out"));
  // With the index in a store, its shards lie there.
  fs::remove(place / "model/model.safetensors.index.json");
  link("store/m/model.safetensors.index.json", "model.safetensors.index.json");
  EXPECT_TRUE(contains(refusal(), "the shard s2.safetensors is a link that leads out"));
}

TEST_P(Links, ToFilesNamedByTheirHashesAreFollowedInOneStore) {
  const std::string rest = std::string(kHash).substr(2);
  for (const std::string root : {"cache/files/md5/", "objects/"}) {
    place.write(root + "01/" + rest, one_tensor("a"));
    place.write(root + "fe/" + kOther, R"({"hidden_size": 16})");
    place.write(root + "fe/plain.txt", "no object");
    place.write(std::string("elsewhere/fe/") + kOther, "another store's");
    fs::remove_all(place / "model");
    link(root + "01/" + rest, "model.safetensors");
    link(root + "fe/" + kOther, "config.json");
    link(root + "fe/plain.txt", "vocab.txt");
    link(std::string("elsewhere/fe/") + kOther, "merges.txt");
    const auto checkpoint = open();
    EXPECT_EQ(names_of(*checkpoint), Names{"config.json"}) << root;
    EXPECT_EQ(checkpoint->config().at("hidden_size"), 16);
    EXPECT_EQ(checkpoint->warnings().size(), 2u);
  }
}

TEST_P(Links, OfPackagesAreFollowedInTheStore) {
  write_store();
  place.write("store/m/code/__init__.py", "code");
  place.write("store/m/code/layers.py", "layers");
  place.write("store/other/code/__init__.py", "another's");
  link("store/m/model.safetensors", "model.safetensors");
  link("store/m/code", "code");
  link("store/other/code", "kernels");
  const auto checkpoint = open();
  EXPECT_EQ(names_of(*checkpoint), (Names{"code/__init__.py", "code/layers.py"}));
  EXPECT_EQ(checkpoint->warnings().size(), 1u);
}

TEST_P(Links, ThroughLinksToTheFolderItselfAreFollowed) {
  write_store();
  link("store/m/model.safetensors", "model.safetensors");
  link("store/m/config.json", "config.json");
  fs::create_directory_symlink("model", place / "alias");
  EXPECT_EQ(names_of(*open("alias")), Names{"config.json"});
  EXPECT_EQ(names_of(*open("alias/")), Names{"config.json"});
}

}  // namespace
}  // namespace expo
