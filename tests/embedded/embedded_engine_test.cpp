#include "expo/embedded/embedded_engine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "expo/core/error.h"
#include "expo/model/device.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// Golden models with a tokenizer that reads "t7 t8" as 7, 8.
class EmbeddedEngineTest : public testing::Test {
 protected:
  std::string model(const std::string& name) const {
    const fs::path folder = folder_ / name;
    if (fs::exists(folder)) return folder.string();
    fs::create_directories(folder);
    for (const char* file : {"config.json", "model.safetensors"})
      fs::copy(fs::path(EXPO_SOURCE_DIR "/tests/model/goldens") / name / file, folder / file);
    Json vocabulary = Json::object();
    for (int i = 0; i < 96; ++i) vocabulary["t" + std::to_string(i)] = i;
    const Json tokenizer = {
        {"version", "1.0"},
        {"added_tokens", Json::array()},
        {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
        {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "t0"}}}};
    folder_.write(name + "/tokenizer.json", tokenizer.dump());
    return folder.string();
  }

  std::unique_ptr<Engine> open(const EmbeddedSpec& spec) const {
    return open_embedded_engine(posix_filesystem(), {}, spec);
  }

  static EmbeddedSpec spec(const std::string& model) {
    EmbeddedSpec result;
    result.model = model;
    result.device = "cpu";
    result.raw_text = true;
    return result;
  }

  static std::vector<Conversation> answered() {
    const Json messages = Json::array({{{"role", "user"}, {"content", "t8 t9 t10"}},
                                       {{"role", "assistant"}, {"content", " t11 t12"}}});
    return {{{messages}, "0", "here"}};
  }

  std::vector<float> log_probs(Engine& engine) const {
    return engine.log_probs(answered(), {}, CancellationToken()).at(0);
  }

  template <typename Work>
  static std::string refusal(Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  }

  TemporaryFolder folder_;
};

TEST_F(EmbeddedEngineTest, MovesAndComesBack) {
  EmbeddedSpec both = spec(model("llama"));
  // The SFT model differs in the file's last value.
  std::string weights = posix_filesystem().read_text(model("llama") + "/model.safetensors");
  const float value = 0.5F;
  std::memcpy(weights.data() + weights.size() - sizeof value, &value, sizeof value);
  fs::copy(model("llama"), folder_ / "sft");
  folder_.write("sft/model.safetensors", weights);
  both.sft = (folder_ / "sft").string();
  const auto engine = open(both);
  EXPECT_FALSE(engine->describe().alpha);
  const auto before = log_probs(*engine);
  ASSERT_EQ(before.size(), 2U);
  engine->move_to(AlphaSchedule(8), CancellationToken());
  EXPECT_EQ(engine->describe().alpha, "8");
  EXPECT_NE(log_probs(*engine), before);
  engine->move_to(AlphaSchedule(0), CancellationToken());
  EXPECT_EQ(log_probs(*engine), before);
  // An engine that is moved before it has read its weights comes to the same.
  engine->move_to(AlphaSchedule(8), CancellationToken());
  const auto fresh = open(both);
  fresh->move_to(AlphaSchedule(8), CancellationToken());
  EXPECT_EQ(log_probs(*fresh), log_probs(*engine));
}

TEST_F(EmbeddedEngineTest, RefusesRolesThatTheModelHasNot) {
  const auto policy = open(spec(model("llama")));
  EXPECT_TRUE(contains(refusal([&] { policy->rewards(answered(), {}, CancellationToken()); }),
                       "language model"));
  EXPECT_TRUE(
      contains(refusal([&] { policy->move_to(AlphaSchedule(1), CancellationToken()); }), "--sft"));
  const auto reward = open(spec(model("llama_reward")));
  EXPECT_TRUE(contains(refusal([&] { log_probs(*reward); }), "reward model"));
  EXPECT_EQ(reward->rewards(answered(), {}, CancellationToken()).at(0).size(), 1U);
}

TEST_F(EmbeddedEngineTest, ReadsNoWeightsBeforeTheyAreNeeded) {
  const std::string place = model("llama");
  const auto engine = open(spec(place));
  const auto counts = engine->count_tokens(answered());
  EXPECT_EQ(counts, std::vector<std::size_t>{5});
  EXPECT_EQ(engine->describe().loading_seconds, 0);
  EXPECT_EQ(engine->describe().context, 128U);
}

TEST_F(EmbeddedEngineTest, ChoosesTheTypeByTheCheckpoint) {
  EXPECT_EQ(open(spec(model("llama")))->describe().facts.at("dtype"), "float32");
  EmbeddedSpec narrow = spec(model("llama"));
  narrow.dtype = "bf16";
  EXPECT_EQ(open(narrow)->describe().facts.at("dtype"), "bfloat16");
}

TEST_F(EmbeddedEngineTest, RefusesWordsThatAreNoDevice) {
  for (const char* word : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "CPU", ""}) {
    EmbeddedSpec wrong = spec(model("llama"));
    wrong.device = word;
    EXPECT_TRUE(contains(refusal([&] { open(wrong); }), "expected auto, cpu, cuda or cuda:N"));
  }
}

}  // namespace
}  // namespace expo
