#include <gtest/gtest.h>

#include <filesystem>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/safetensors/checkpoint.h"
#include "expo/core/error.h"
#include "support/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

std::string one_tensor(const std::string& name, const std::string& data = "abcd") {
  return safetensors_bytes("{\"" + name + "\":{\"dtype\":\"BF16\",\"shape\":[" +
                               std::to_string(data.size() / 2) + "],\"data_offsets\":[0," +
                               std::to_string(data.size()) + "]}}",
                           data);
}

std::string index(const std::string& map, const std::string& metadata = "{\"total_size\":8}") {
  return "{\"metadata\":" + metadata + ",\"weight_map\":" + map + "}";
}

const char* const kGoodMap = R"({"a":"s1.safetensors","b":"s2.safetensors"})";

class ShardedCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("s1.safetensors", one_tensor("a", "abcd"));
    folder_.write("s2.safetensors", one_tensor("b", "efgh"));
  }

  std::unique_ptr<Checkpoint> open(const std::string& text) {
    const auto path = folder_.write("model.safetensors.index.json", text);
    return open_safetensors(posix_filesystem(), read_weight_index(posix_filesystem(), path));
  }

  void expect_refusal(const std::string& text, const std::string& message) {
    try {
      open(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("index.json"), std::string::npos) << error.what();
    }
  }

  TemporaryFolder folder_;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(ShardedCheckpoint, ReadsTensorsInFileOrder) {
  const auto checkpoint = open(index(kGoodMap));
  ASSERT_EQ(checkpoint->tensors().size(), 2u);
  EXPECT_EQ(checkpoint->tensors()[0].name, "a");
  ReadScratch scratch;
  EXPECT_EQ(text_of(checkpoint->read(1, 0, 2, scratch)), "efgh");
  EXPECT_EQ(text_of(checkpoint->read(1, 1, 1, scratch)), "gh");
}

TEST_F(ShardedCheckpoint, RefusesNamesThatLeaveTheFolder) {
  for (const char* name :
       {"../s1.safetensors", "/etc/passwd", "sub/s1.safetensors", "..", ".", "", "s1\\\\x"}) {
    expect_refusal(index("{\"a\":\"" + std::string(name) + "\"}"), "\"a\"");
  }
}

TEST_F(ShardedCheckpoint, RefusesALinkOutOfTheFolder) {
  const TemporaryFolder elsewhere;
  const auto target = elsewhere.write("x.safetensors", one_tensor("a"));
  std::filesystem::create_symlink(target, folder_ / "link.safetensors");
  expect_refusal(index(R"({"a":"link.safetensors","b":"s2.safetensors"})"),
                 "leads out of the folder");
}

TEST_F(ShardedCheckpoint, FollowsTheHubCachesLinksIntoItsBlobs) {
  const auto blob = folder_.write("models--o--n/blobs/0123", one_tensor("a"));
  const auto index_path = folder_.write("models--o--n/snapshots/c0/model.safetensors.index.json",
                                        index(R"({"a":"m.safetensors"})", "{\"total_size\":4}"));
  std::filesystem::create_symlink("../../blobs/0123", index_path.parent_path() / "m.safetensors");
  const auto checkpoint =
      open_safetensors(posix_filesystem(), read_weight_index(posix_filesystem(), index_path));
  EXPECT_EQ(checkpoint->tensors().at(0).name, "a");
}

TEST_F(ShardedCheckpoint, RefusesWhatDoesNotBelongTogether) {
  expect_refusal(index(R"({"a":"s1.safetensors","b":"s3.safetensors"})"), "s3.safetensors");
  expect_refusal(index(R"({"a":"s1.safetensors","b":"s1.safetensors"})"), "\"b\"");
  expect_refusal(index(R"({"a":"s1.safetensors","c":"s2.safetensors"})"), "\"c\"");
  expect_refusal(index(R"({"a":"s1.safetensors","b":"s2.safetensors","c":"s2.safetensors"})"),
                 "\"c\"");
  expect_refusal(index(kGoodMap, "{\"total_size\":9}"), "total_size");
}

TEST_F(ShardedCheckpoint, RefusesATensorThatNoIndexNames) {
  folder_.write("s2.safetensors",
                safetensors_bytes(R"({"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
                                  R"("stray":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}})",
                                  "efghijkl"));
  expect_refusal(index(kGoodMap), "\"stray\"");
}

/// Two tensors of one shard.
std::string two_tensors(const std::string& first, const std::string& second,
                        const std::string& data) {
  return safetensors_bytes(
      "{\"" + first + "\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},\"" + second +
          "\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]}}",
      data);
}

TEST_F(ShardedCheckpoint, TakesTheCopyOfTheIndexsShardWhicheverComesFirst) {
  for (const std::string stale_in : {"s1.safetensors", "s2.safetensors"}) {
    const std::string used = stale_in == "s1.safetensors" ? "s2.safetensors" : "s1.safetensors";
    folder_.write(stale_in, two_tensors("b", "x", "bbbbOLD!"));
    folder_.write(used, two_tensors("x", "a", "new.aaaa"));
    const std::string map =
        R"({"a":")" + used + R"(","b":")" + stale_in + R"(","x":")" + used + R"("})";
    for (const char* total : {"{\"total_size\":12}", "{\"total_size\":16}", "{}"}) {
      const auto checkpoint = open(index(map, total));
      ASSERT_EQ(checkpoint->tensors().size(), 3u);
      ReadScratch scratch;
      EXPECT_EQ(text_of(checkpoint->read(checkpoint->find("x").value(), 0, 2, scratch)), "new.");
      EXPECT_EQ(text_of(checkpoint->read(checkpoint->find("b").value(), 0, 2, scratch)), "bbbb");
      ASSERT_EQ(checkpoint->warnings().size(), 1u);
      EXPECT_NE(checkpoint->warnings()[0].find("\"x\" is also in " + stale_in), std::string::npos)
          << checkpoint->warnings()[0];
      EXPECT_NE(checkpoint->warnings()[0].find("the one in " + used), std::string::npos);
    }
    expect_refusal(index(map, "{\"total_size\":20}"), "total_size");
  }
}

TEST_F(ShardedCheckpoint, NamesAFewOfManyStaleCopies) {
  std::string header;
  std::string map = "{";
  for (int i = 0; i < 20; ++i) {
    const std::string name = "\"t" + std::to_string(i) + "\":";
    header += (i > 0 ? "," : "{") + name + R"({"dtype":"U8","shape":[1],"data_offsets":[)" +
              std::to_string(i) + "," + std::to_string(i + 1) + "]}";
    map += (i > 0 ? "," : "") + name + "\"s1.safetensors\"";
  }
  folder_.write("s1.safetensors", safetensors_bytes(header + "}", std::string(20, 'n')));
  folder_.write(
      "s2.safetensors",
      safetensors_bytes(header + R"(,"z":{"dtype":"U8","shape":[1],"data_offsets":[20,21]}})",
                        std::string(21, 'o')));
  const auto checkpoint = open(index(map + ",\"z\":\"s2.safetensors\"}", "{}"));
  EXPECT_EQ(checkpoint->tensors().size(), 21u);
  ASSERT_EQ(checkpoint->warnings().size(), 9u);
  EXPECT_NE(checkpoint->warnings()[8].find("12 more"), std::string::npos);
}

TEST_F(ShardedCheckpoint, RefusesATensorInTwoFilesWithoutAnIndex) {
  WeightFiles files;
  files.files = {folder_.write("one.safetensors", one_tensor("a")),
                 folder_.write("two.safetensors", one_tensor("a"))};
  try {
    open_safetensors(posix_filesystem(), files);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    const std::string expected =
        "\"a\" occurs twice, in " + files.files[0].string() + " and in " + files.files[1].string();
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
  }
}

TEST_F(ShardedCheckpoint, RefusesCopiesOfWhichTheIndexNamesNone) {
  folder_.write("s1.safetensors", two_tensors("a", "x", "aaaaxxxx"));
  folder_.write("s2.safetensors", two_tensors("b", "x", "bbbbxxxx"));
  folder_.write("s3.safetensors", one_tensor("c"));
  expect_refusal(index(R"({"a":"s1.safetensors","b":"s2.safetensors","c":"s3.safetensors",)"
                       R"("x":"s3.safetensors"})"),
                 "\"x\" is in s3.safetensors, which does not hold it");
  expect_refusal(index(kGoodMap), "\"x\" of s1.safetensors is missing from the index");
}

TEST_F(ShardedCheckpoint, RefusesMalformedIndexes) {
  expect_refusal("[]", "not a JSON object");
  expect_refusal("{}", "weight_map");
  expect_refusal(R"({"weight_map":null})", "weight_map");
  expect_refusal(R"({"weight_map":{}})", "empty");
  expect_refusal(R"({"weight_map":{"a":1}})", "\"a\"");
  expect_refusal(index(R"({"a":"s1.safetensors","a":"s1.safetensors"})"), "twice");
  expect_refusal(index(kGoodMap, "[]"), "metadata");
  expect_refusal(index(kGoodMap, R"({"total_size":"8"})"), "total_size");
  expect_refusal(index(kGoodMap, R"({"total_size":-8})"), "total_size");
}

TEST_F(ShardedCheckpoint, TakesAFloatingTotalAsEarlyWritersWroteIt) {
  EXPECT_EQ(open(index(kGoodMap, "{\"total_size\":8.0}"))->tensors().size(), 2u);
}

TEST_F(ShardedCheckpoint, WarnsOfATotalThatCountsATiedEmbeddingTwice) {
  folder_.write("s1.safetensors", one_tensor("model.embed_tokens.weight"));
  const auto checkpoint =
      open(index(R"({"model.embed_tokens.weight":"s1.safetensors","b":"s2.safetensors"})",
                 "{\"total_size\":12}"));
  EXPECT_EQ(checkpoint->warnings().size(), 1u);
}

TEST(SafetensorsCheckpoint, AFileCutShortWhileOpenIsAnErrorNamingFileAndTensor) {
  const TemporaryFolder folder;
  const auto path = folder.write("m.safetensors", one_tensor("a", std::string(100'000, 'x')));
  WeightFiles files;
  files.files = {path};
  const auto checkpoint = open_safetensors(posix_filesystem(), files);
  std::filesystem::resize_file(path, 50'000);
  ReadScratch scratch;
  try {
    checkpoint->read(0, 0, 50'000, scratch);
    FAIL() << "read past the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_NE(std::string(error.what()).find("m.safetensors"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("\"a\""), std::string::npos);
  }
}

}  // namespace
}  // namespace expo
