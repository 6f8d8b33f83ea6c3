#include "expo/checkpoint/open/open_checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/core/error.h"
#include "support/contains.h"
#include "support/hub_cache_folder.h"
#include "support/safetensors_bytes.h"
#include "support/torch_bytes.h"

namespace expo {
namespace {

const std::string kId = "owner/some-model";
const std::string kCommit(40, '7');
const std::string kSha(64, 'a');

/// A file with one f32 tensor of two values.
std::string weights(const std::string& tensor) {
  return safetensors_bytes(
      "{\"" + tensor + "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

std::string index_of(const std::string& tensor, const std::string& file) {
  return "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"" + tensor + "\":\"" + file + "\"}}";
}

std::shared_ptr<const Checkpoint> open(const std::string& reference,
                                       const Environment& environment = {}) {
  return open_checkpoint(posix_filesystem(), reference, {}, environment);
}

std::string refusal(const std::string& reference, const Environment& environment = {}) {
  try {
    open(reference, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
    return error.what();
  }
  return "nothing was refused";
}

std::string first_tensor(const Checkpoint& checkpoint) {
  return checkpoint.tensors().at(0).name;
}

std::vector<std::string> names(const std::vector<Sidecar>& sidecars) {
  std::vector<std::string> result;
  for (const Sidecar& sidecar : sidecars) result.push_back(sidecar.name);
  return result;
}

TEST(OpenFolder, TakesTheWeightsAndWhatBelongsToThem) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", weights("a"));
  folder.write("config.json", R"({"model_type": "llama", "hidden_size": 8})");
  folder.write("tokenizer.json", "{}");
  folder.write("README.md", "# card");
  folder.write("pytorch_model.bin", "other weights");
  const auto checkpoint = open(folder.path());
  EXPECT_EQ(first_tensor(*checkpoint), "a");
  EXPECT_EQ(checkpoint->format(), "safetensors");
  EXPECT_EQ(checkpoint->location(), folder.path());
  EXPECT_EQ(checkpoint->config()["hidden_size"], 8);
  EXPECT_EQ(names(checkpoint->sidecars()),
            (std::vector<std::string>{"config.json", "tokenizer.json"}));
  EXPECT_EQ(checkpoint->model_id(), "");
  EXPECT_TRUE(checkpoint->warnings().empty());
  EXPECT_EQ(checkpoint->files().at(0).sha256, std::nullopt);
}

TEST(OpenFolder, PrefersTheSingleFileAndWarns) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", weights("single"));
  folder.write("model-00001-of-00001.safetensors", weights("sharded"));
  folder.write("model.safetensors.index.json",
               index_of("sharded", "model-00001-of-00001.safetensors"));
  const auto checkpoint = open(folder.path());
  EXPECT_EQ(first_tensor(*checkpoint), "single");
  ASSERT_EQ(checkpoint->warnings().size(), 1u);
  EXPECT_TRUE(contains(checkpoint->warnings()[0], "holds both"));
  EXPECT_TRUE(checkpoint->config().is_null());
}

TEST(OpenFolder, RefusesAMalformedConfig) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", weights("a"));
  for (const char* config : {"{\"a\": 1,}", "[]", "", "{\"a\": 1, \"a\": 2}"}) {
    folder.write("config.json", config);
    EXPECT_TRUE(contains(refusal(folder.path()), folder / "config.json")) << config;
  }
}

TEST(OpenFolder, TakesNoConfigFromElsewhere) {
  const TemporaryFolder place;
  place.write("model/model.safetensors", weights("a"));
  place.write("secret.json", R"({"model_type": "secret"})");
  std::filesystem::create_symlink("../secret.json", place / "model/config.json");
  const auto checkpoint = open(place / "model");
  EXPECT_TRUE(checkpoint->config().is_null());
  EXPECT_TRUE(checkpoint->sidecars().empty());
  ASSERT_EQ(checkpoint->warnings().size(), 1u);
  EXPECT_TRUE(contains(checkpoint->warnings()[0], "config.json: is a link that leads out"));
}

TEST(OpenFolder, SaysWhatWasLookedFor) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(refusal(folder.path()), "the folder is empty"));
  folder.write("consolidated.00.pth", "x");
  folder.write("optimizer.bin", "x");
  const std::string message = refusal(folder.path());
  EXPECT_TRUE(contains(message, "model.safetensors.index.json"));
  EXPECT_TRUE(contains(message, "*.gguf"));
  EXPECT_TRUE(contains(message, "consolidated.00.pth"));
}

template <typename Number>
std::string raw(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// A GGUF file without metadata and with one f32 tensor of two values.
std::string gguf_bytes(const std::string& tensor) {
  std::string bytes =
      "GGUF" + raw(std::uint32_t{3}) + raw(std::uint64_t{1}) + raw(std::uint64_t{0});
  bytes += raw(std::uint64_t{tensor.size()}) + tensor + raw(std::uint32_t{1});
  bytes += raw(std::uint64_t{2}) + raw(std::uint32_t{0}) + raw(std::uint64_t{0});
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + raw(1.0F) + raw(2.0F) + std::string(24, '\0');
}

TEST(OpenFolder, TakesPyTorchWeights) {
  const TemporaryFolder folder;
  const std::string state =
      pickle_dict({{"a", pickle_tensor({.elements = 2, .shape = {2}, .stride = {1}})}});
  folder.write("pytorch_model.bin",
               torch_bytes(pickle_bytes(state), {{"0", raw(1.0F) + raw(2.0F)}}));
  folder.write("config.json", "{}");
  const auto checkpoint = open(folder.path());
  EXPECT_EQ(first_tensor(*checkpoint), "a");
  EXPECT_EQ(checkpoint->format(), "PyTorch");
  EXPECT_EQ(names(checkpoint->sidecars()), std::vector<std::string>{"config.json"});
  EXPECT_EQ(first_tensor(*open(folder / "pytorch_model.bin")), "a");
}

TEST(OpenFolder, LeavesAGgufItsOwnConfig) {
  const TemporaryFolder folder;
  folder.write("model.gguf", gguf_bytes("a.weight"));
  folder.write("config.json", R"({"model_type": "another"})");
  OpenOptions options;
  options.native_gguf_names = true;
  const auto checkpoint = open_checkpoint(posix_filesystem(), folder.path(), options, {});
  EXPECT_EQ(first_tensor(*checkpoint), "a.weight");
  EXPECT_EQ(checkpoint->format(), "GGUF");
  EXPECT_EQ(checkpoint->location(), folder.path());
  EXPECT_TRUE(checkpoint->config().is_null()) << checkpoint->config().dump();
  EXPECT_TRUE(checkpoint->sidecars().empty());
}

/// The file that is chosen among those in a folder, or the refusal.
std::string choice(const std::vector<std::string>& files) {
  const TemporaryFolder folder;
  for (const std::string& file : files) folder.write(file, "x");
  try {
    const auto chosen = choose_weights(posix_filesystem(), folder.path());
    return chosen ? chosen->file.filename().string() : "nothing";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ChooseWeights, FollowsTheOrder) {
  std::vector<std::string> files{
      "model.safetensors", "model.safetensors.index.json", "weights.safetensors",
      "pytorch_model.bin", "pytorch_model.bin.index.json", "model-q8.gguf"};
  while (!files.empty()) {
    std::vector<std::string> shuffled = files;
    std::ranges::reverse(shuffled);
    EXPECT_EQ(choice(shuffled), files.front());
    files.erase(files.begin());
  }
  EXPECT_EQ(choice({"adapter_model.safetensors", "consolidated.safetensors", "optimizer.bin",
                    "training_args.bin", "original/model.safetensors"}),
            "nothing");
  EXPECT_EQ(choice({"other.bin", "notes.txt"}), "nothing");
  EXPECT_EQ(choice({"custom.safetensors.index.json", "part-a.safetensors", "part-b.safetensors"}),
            "custom.safetensors.index.json");
}

TEST(ChooseWeights, ListsWhatCouldBeMeant) {
  const std::string ggufs = choice({"model-Q8_0.gguf", "model-F16.gguf"});
  EXPECT_TRUE(contains(ggufs, "model-F16.gguf, model-Q8_0.gguf"));
  EXPECT_TRUE(contains(choice({"a.safetensors", "b.safetensors"}), "a.safetensors, b.safetensors"));
  EXPECT_TRUE(contains(choice({"model-00001-of-00002.safetensors", "pytorch_model.bin"}),
                       "not their index"));
  EXPECT_TRUE(
      contains(choice({"model-00001-of-00002.gguf", "model-00002-of-00002.gguf"}), "--merge"));
}

TEST(OpenFile, TakesASingleFileWithItsFoldersConfig) {
  const TemporaryFolder folder;
  const auto file = folder.write("weights.safetensors", weights("a"));
  folder.write("tokenizer.json", "{}");
  EXPECT_TRUE(open(file)->sidecars().empty()) << "without config.json the folder may be anything";
  folder.write("config.json", R"({"model_type": "llama"})");
  EXPECT_EQ(open(file)->config()["model_type"], "llama");
  EXPECT_EQ(names(open(file)->sidecars()),
            (std::vector<std::string>{"config.json", "tokenizer.json"}));
}

TEST(OpenFile, TakesAnIndex) {
  const TemporaryFolder folder;
  folder.write("x-1.safetensors", weights("a"));
  const auto index = folder.write("x.safetensors.index.json", index_of("a", "x-1.safetensors"));
  EXPECT_EQ(first_tensor(*open(index)), "a");
}

TEST(OpenFile, RefusesWhatIsNoWholeModel) {
  const TemporaryFolder folder;
  const auto said = [&](const char* name) { return refusal(folder.write(name, "x")); };
  EXPECT_TRUE(contains(said("model-00001-of-00002.safetensors"), "one shard of several"));
  EXPECT_TRUE(contains(said("model-00001-of-00002.gguf"), "split GGUF"));
  EXPECT_TRUE(contains(said("adapter_model.safetensors"), "BASE+ADAPTER"));
  EXPECT_TRUE(contains(said("weights.npz"), ".safetensors, .bin"));
  EXPECT_TRUE(contains(said("config.json"), ".safetensors, .bin"));
}

struct Quantised {
  const char* config;
  const char* named;
};
class QuantisedConfig : public testing::TestWithParam<Quantised> {};

TEST_P(QuantisedConfig, IsRefusedByName) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", weights("a"));
  folder.write("config.json", GetParam().config);
  const std::string message = refusal(folder.path());
  EXPECT_TRUE(contains(message, GetParam().named));
  EXPECT_TRUE(contains(message, "packed integers cannot be extrapolated"));
  EXPECT_TRUE(contains(message, "unquantised"));
}

INSTANTIATE_TEST_SUITE_P(
    OpenFolder, QuantisedConfig,
    testing::Values(
        Quantised{R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})", "gptq"},
        Quantised{R"({"quantization_config": {"quant_method": "awq"}})", "awq"},
        Quantised{R"({"quantization_config": {"quant_method": "fp8"}})", "fp8"},
        Quantised{R"({"quantization_config": {"quant_method": "compressed-tensors"}})",
                  "compressed-tensors"},
        Quantised{R"({"quantization_config": {"load_in_4bit": true}})", "bitsandbytes"},
        Quantised{R"({"quantization_config": {"bits": 3}})", "does not name"},
        Quantised{R"({"compression_config": {"format": "pack-quantized"}})", "pack-quantized"},
        Quantised{R"({"text_config": {"quantization_config": {"quant_method": "mxfp4"}}})",
                  "mxfp4"}));

TEST(OpenFolder, ToleratesAnEmptyQuantisation) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", weights("a"));
  for (const char* config :
       {R"({"quantization_config": null})", R"({"quantization_config": {}})"}) {
    folder.write("config.json", config);
    EXPECT_EQ(first_tensor(*open(folder.path())), "a");
  }
  folder.write("config.json", R"({"quantization_config": "gptq"})");
  EXPECT_TRUE(contains(refusal(folder.path()), "not a JSON object"));
}

TEST(OpenFolder, KnowsPackedTensorsWithoutAConfig) {
  for (const char* tensor : {"model.layers.0.mlp.up_proj.qweight", "x.qzeros", "x.weight_packed",
                             "x.weight.quant_state.bitsandbytes__nf4"}) {
    const TemporaryFolder folder;
    folder.write("model.safetensors", weights(tensor));
    EXPECT_TRUE(contains(refusal(folder.path()), tensor));
  }
}

/// Adds a complete model to a cache, as `main`.
void add_model(const HubCacheFolder& cache) {
  cache.add(kId, kCommit, "model.safetensors", weights("a"), kSha);
  cache.add(kId, kCommit, "config.json", R"({"model_type": "llama"})", std::string(40, 'b'));
  cache.set_ref(kId, "main", kCommit);
}

/// Writes huggingface_hub's listing of the commit: NAME → the name of its blob.
void add_listing(const HubCacheFolder& cache,
                 const std::vector<std::pair<std::string, std::string>>& files) {
  Json listing{{"format_version", 1}, {"files", Json::object()}};
  for (const auto& [name, blob] : files) {
    listing["files"][name] = {{"size", 8}, {"blob_id", std::string(40, 'f')}};
    listing["files"][name][blob.size() == 64 ? "lfs_sha256" : "blob_id"] = blob;
  }
  cache.write(kId, "trees/" + kCommit + ".json", listing.dump());
}

TEST(OpenFromCache, KnowsModelAndDigest) {
  const HubCacheFolder cache;
  add_model(cache);
  for (const std::string& reference : {kId, kId + "@main", kId + "@" + kCommit.substr(0, 8),
                                       cache.snapshot(kId, kCommit).string()}) {
    const auto checkpoint = open(reference, cache.environment());
    EXPECT_EQ(checkpoint->model_id(), kId);
    EXPECT_EQ(checkpoint->location(), cache.snapshot(kId, kCommit));
    EXPECT_EQ(checkpoint->files().at(0).sha256, kSha);
    EXPECT_EQ(checkpoint->files().at(0).size, weights("a").size());
  }
  EXPECT_EQ(open(cache.snapshot(kId, kCommit) / "model.safetensors")->model_id(), kId);
}

TEST(OpenFromCache, TakesTheFilesAroundTheWeights) {
  const HubCacheFolder cache;
  cache.add(kId, kCommit, "model.safetensors", weights("a"), kSha);
  cache.add(kId, kCommit, "config.json", R"({"model_type": "llama"})", "b1");
  cache.add(kId, kCommit, "tokenizer.json", "{}", "b2");
  cache.set_ref(kId, "main", kCommit);
  const auto checkpoint = open(kId, cache.environment());
  EXPECT_EQ(checkpoint->config()["model_type"], "llama");
  EXPECT_EQ(names(checkpoint->sidecars()),
            (std::vector<std::string>{"config.json", "tokenizer.json"}));
  EXPECT_TRUE(checkpoint->warnings().empty());
}

TEST(OpenFromCache, OpensShardsThatAreLinks) {
  const HubCacheFolder cache;
  cache.add(kId, kCommit, "model.safetensors.index.json", index_of("a", "s-1.safetensors"), "i");
  cache.add(kId, kCommit, "s-1.safetensors", weights("a"), kSha);
  cache.set_ref(kId, "main", kCommit);
  const auto checkpoint = open(kId, cache.environment());
  EXPECT_EQ(checkpoint->files().at(0).sha256, kSha);
}

TEST(OpenFromCache, OpensShardsThatModelsShare) {
  const HubCacheFolder cache;
  cache.add(kId, kCommit, "model.safetensors.index.json", index_of("a", "s-1.safetensors"), "i");
  cache.add_shared(kId, kCommit, "s-1.safetensors", weights("a"), kSha, std::string(64, 'c'));
  cache.set_ref(kId, "main", kCommit);
  EXPECT_EQ(open(kId, cache.environment())->files().at(0).sha256, kSha);
}

TEST(OpenFromCache, RefusesLinksToElsewhere) {
  const HubCacheFolder cache;
  cache.add(kId, kCommit, "model.safetensors.index.json", index_of("a", "s-1.safetensors"), "i");
  cache.add("other/model", kCommit, "s-1.safetensors", weights("a"), kSha);
  std::filesystem::create_symlink(cache.repository("other/model") / "blobs" / kSha,
                                  cache.snapshot(kId, kCommit) / "s-1.safetensors");
  cache.set_ref(kId, "main", kCommit);
  EXPECT_TRUE(contains(refusal(kId, cache.environment()), "leads out of the folder"));
}

TEST(OpenFromCache, RefusesMissingShards) {
  const HubCacheFolder cache;
  cache.add(kId, kCommit, "model.safetensors.index.json",
            R"({"weight_map":{"a":"s-1.safetensors","b":"s-2.safetensors","c":"s-3.safetensors"}})",
            "i");
  cache.add(kId, kCommit, "s-1.safetensors", weights("a"), kSha);
  cache.set_ref(kId, "main", kCommit);
  const std::string message = refusal(kId, cache.environment());
  EXPECT_TRUE(contains(message, "2 of 3 weight files are missing"));
  EXPECT_TRUE(contains(message, "s-2.safetensors"));
  EXPECT_TRUE(contains(message, "`hf download owner/some-model`"));
  EXPECT_TRUE(contains(refusal(kId + "@" + kCommit, cache.environment()),
                       "`hf download owner/some-model --revision " + kCommit + "`"));
}

TEST(OpenFromCache, RefusesMissingWeightsAndLostBlobs) {
  const HubCacheFolder cache;
  add_model(cache);
  std::filesystem::remove(cache.repository(kId) / "blobs" / kSha);
  EXPECT_TRUE(contains(refusal(kId, cache.environment()), "`hf download owner/some-model`"));
  cache.add(kId, kCommit, "model-00002-of-00003.safetensors", weights("a"), std::string(64, 'c'));
  const std::string message = refusal(kId, cache.environment());
  EXPECT_TRUE(contains(message, "not their index"));
  EXPECT_TRUE(contains(message, "`hf download owner/some-model`"));
}

TEST(OpenFromCache, RefusesAnUnfinishedDownload) {
  const HubCacheFolder cache;
  add_model(cache);
  const std::string blob(64, 'd');
  cache.write(kId, "blobs/" + blob + ".0a1b2c3d.incomplete", "half");
  const std::string message = refusal(kId, cache.environment());
  EXPECT_TRUE(contains(message, "was started but not finished"));
  EXPECT_TRUE(contains(message, "`hf download owner/some-model`"));
  cache.write(kId, "blobs/" + blob, "whole");
  EXPECT_EQ(first_tensor(*open(kId, cache.environment())), "a") << "a leftover of a finished file";
}

TEST(OpenFromCache, KnowsFromTheListingWhatIsUnfinished) {
  const HubCacheFolder cache;
  add_model(cache);
  const std::string blob(64, 'd');
  cache.write(kId, "blobs/" + blob + ".incomplete", "half");
  add_listing(cache, {{"config.json", std::string(40, 'b')},
                      {"model.safetensors", kSha},
                      {"original/consolidated.00.pth", blob}});
  EXPECT_EQ(first_tensor(*open(kId, cache.environment())), "a");
  add_listing(cache, {{"model.safetensors", kSha}, {"tokenizer.json", blob}});
  EXPECT_TRUE(contains(refusal(kId, cache.environment()), "tokenizer.json was started"));
}

TEST(OpenFromCache, WarnsOfSidecarsThatWereNotDownloaded) {
  const HubCacheFolder cache;
  add_model(cache);
  add_listing(cache, {{"config.json", "b"},
                      {"model.safetensors", kSha},
                      {"pytorch_model.bin", std::string(64, 'e')},
                      {"README.md", "r"},
                      {"tokenizer.json", "t"}});
  const auto checkpoint = open(kId, cache.environment());
  ASSERT_EQ(checkpoint->warnings().size(), 1u);
  EXPECT_TRUE(contains(checkpoint->warnings()[0], "tokenizer.json"));
  std::filesystem::remove(cache.snapshot(kId, kCommit) / "config.json");
  EXPECT_TRUE(contains(refusal(kId, cache.environment()), "config.json is missing"));
}

TEST(OpenFromCache, PassesOverADamagedListing) {
  const HubCacheFolder cache;
  add_model(cache);
  for (const char* listing : {"{", "[]", "{\"files\": 3}", "{\"files\": {\"config.json\": 3}}"}) {
    cache.write(kId, "trees/" + kCommit + ".json", listing);
    EXPECT_EQ(first_tensor(*open(kId, cache.environment())), "a");
  }
}

const char* const kAdapterConfig =
    R"({"peft_type": "LORA", "base_model_name_or_path": "owner/base", "r": 1, "lora_alpha": 1,
        "target_modules": ["q"]})";

TEST(OpenAdapter, NeedsABase) {
  const TemporaryFolder folder;
  folder.write("adapter_config.json", kAdapterConfig);
  folder.write("adapter_model.safetensors", weights("x"));
  const std::string message = refusal(folder.path());
  EXPECT_TRUE(contains(message, "BASE+ADAPTER"));
  EXPECT_TRUE(contains(message, "owner/base+" + folder.path().string()));
}

/// Writes a LoRA of rank 1 whose update of q.weight is `b` in all four places.
void write_adapter(const TemporaryFolder& folder, const std::string& name, float b) {
  folder.write(name + "/adapter_config.json", kAdapterConfig);
  folder.write(
      name + "/adapter_model.safetensors",
      safetensors_bytes(
          R"({"base_model.model.q.lora_A.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
          R"("base_model.model.q.lora_B.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}})",
          raw(1.0F) + raw(1.0F) + raw(b) + raw(b)));
}

/// The first value of a checkpoint's only tensor.
double first_value(const Checkpoint& checkpoint) {
  ReadScratch scratch;
  const auto bytes = checkpoint.read(0, 0, 1, scratch);
  double value = 0;
  EXPECT_EQ(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

TEST(OpenAdapter, StandsOverItsBaseAndOtherAdapters) {
  const TemporaryFolder folder;
  folder.write(
      "base/model.safetensors",
      safetensors_bytes(R"({"q.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
                        raw(4.0F) + raw(5.0F) + raw(6.0F) + raw(7.0F)));
  write_adapter(folder, "one", 0.5F);
  write_adapter(folder, "two", 0.25F);
  const std::string base = folder / "base";
  const std::string one = folder / "one";
  const std::string two = folder / "two";
  EXPECT_EQ(first_value(*open(base + "+" + one)), 4.5);
  EXPECT_EQ(first_value(*open(base + "+" + one + "+" + two)), 4.75);
  OpenOptions options;
  options.adapter_base = open(base);
  EXPECT_EQ(first_value(*open_checkpoint(posix_filesystem(), two, options, {})), 4.25);
  EXPECT_EQ(first_value(*open_checkpoint(posix_filesystem(), one + "+" + two, options, {})), 4.75);
}

TEST(OpenAdapter, FollowsThePlusOnly) {
  const TemporaryFolder folder;
  folder.write("base/model.safetensors", weights("a"));
  const std::string base = folder / "base";
  EXPECT_TRUE(contains(refusal(base + "+" + base), "adapter_config.json"));
  EXPECT_TRUE(contains(refusal(base + "+owner/adapter"), "`hf download owner/adapter`"));
}

TEST(OpenAdapter, IsNotGuessedBesideWholeWeights) {
  const TemporaryFolder folder;
  folder.write("adapter_config.json", kAdapterConfig);
  folder.write("model.safetensors", weights("a"));
  EXPECT_EQ(first_tensor(*open(folder.path())), "a") << "the adapter was merged, its file is gone";
  folder.write("adapter_model.safetensors", weights("x"));
  EXPECT_TRUE(contains(refusal(folder.path()), "weights; give the path"));
  EXPECT_EQ(first_tensor(*open(folder / "model.safetensors")), "a");
}

TEST(OpenAdapter, MustBeWholeInTheCache) {
  const HubCacheFolder cache;
  add_model(cache);
  cache.add("owner/adapter", kCommit, "adapter_config.json", kAdapterConfig, "c");
  cache.set_ref("owner/adapter", "main", kCommit);
  const std::string message = refusal(kId + "+owner/adapter", cache.environment());
  EXPECT_TRUE(contains(message, "adapter_model.safetensors is missing"));
  EXPECT_TRUE(contains(message, "`hf download owner/adapter`"));
}

}  // namespace
}  // namespace expo
