#include "expo/model/architecture.h"

#include <gtest/gtest.h>

#include <limits>

#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

Json small(const char* model_type) {
  return {{"model_type", model_type},      {"vocab_size", 96},         {"hidden_size", 32},
          {"intermediate_size", 48},       {"num_attention_heads", 4}, {"num_hidden_layers", 4},
          {"max_position_embeddings", 128}};
}

std::string refusal(const Json& config) {
  try {
    read_architecture(config, "model");
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Architecture, TakesTheDefaultsOfItsFamily) {
  EXPECT_EQ(read_architecture(small("mistral"), "model").layers[0].window, 4096);
  EXPECT_EQ(read_architecture(small("qwen3"), "model").head_dim, 128);
  EXPECT_TRUE(read_architecture(small("gemma"), "model").tied_head);
  EXPECT_DOUBLE_EQ(read_architecture(small("olmo2"), "model").norm_epsilon, 1e-5);
  EXPECT_TRUE(read_architecture(small("qwen2"), "model").query_key_value_bias);
  EXPECT_FALSE(read_architecture(small("smollm3"), "model").layers[3].rope);
  EXPECT_EQ(read_architecture(small("llama"), "model").kv_heads, 4);
}

TEST(Architecture, TakesANullWindowForNone) {
  Json config = small("mistral");
  config["sliding_window"] = nullptr;
  EXPECT_EQ(read_architecture(config, "model").layers[0].window, 0);
}

TEST(Architecture, ReadsBothWaysOfWritingRope) {
  Json older = small("llama");
  older["rope_theta"] = 500000.0;
  older["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  Json newer = small("llama");
  newer["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 500000.0}};
  for (const Json& config : {older, newer}) {
    const Architecture model = read_architecture(config, "model");
    EXPECT_EQ(model.rope.theta, 500000);
    EXPECT_EQ(model.rope.factor, 2);
    EXPECT_EQ(model.rope.scaling, RopeSpec::Scaling::linear);
  }
}

TEST(Architecture, ReadsOneOrSeveralEndsOfSequence) {
  Json config = small("llama");
  config["eos_token_id"] = 2;
  EXPECT_EQ(read_architecture(config, "model").eos_ids, std::vector<std::int64_t>{2});
  config["eos_token_id"] = {2, 7};
  EXPECT_EQ(read_architecture(config, "model").eos_ids, (std::vector<std::int64_t>{2, 7}));
}

TEST(Architecture, RefusesAFieldThatItDoesNotKnow) {
  Json config = small("llama");
  config["residual_multiplier"] = 0.22;
  EXPECT_TRUE(contains(refusal(config), "residual_multiplier"));
  config = small("llama");
  config["sliding_window"] = 64;  // Llama does not have this field, other models do
  EXPECT_TRUE(contains(refusal(config), "sliding_window"));
}

TEST(Architecture, RefusesAnotherModelByName) {
  EXPECT_TRUE(contains(refusal(small("mamba")), "\"mamba\""));
  Json config = small("llama");
  config["architectures"] = {"LlamaForTokenClassification"};
  EXPECT_TRUE(contains(refusal(config), "LlamaForTokenClassification"));
}

TEST(Architecture, RefusesScalingThatItCannotDo) {
  Json config = small("qwen2");
  config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
  EXPECT_TRUE(contains(refusal(config), "yarn"));
}

TEST(Architecture, RefusesSizesThatMakeNoSense) {
  const auto refused = [](const char* model, const char* name, const Json& value) {
    Json config = small(model);
    config[name] = value;
    EXPECT_TRUE(contains(refusal(config), name)) << model << ", " << name << ": " << value.dump();
  };
  refused("mistral", "sliding_window", -1000);
  refused("mistral", "sliding_window", std::numeric_limits<std::uint64_t>::max());
  refused("gemma2", "sliding_window", -1);
  refused("gemma2", "query_pre_attn_scalar", 0);
  refused("smollm3", "no_rope_layer_interval", 0);
  refused("llama", "num_labels", 0);
  refused("llama", "hidden_size", 1'000'000'000'000);
  refused("llama", "num_hidden_layers", 1'000'000'000);
  refused("llama", "num_hidden_layers", 0);
}

TEST(Architecture, TakesANullForNoCap) {
  Json config = small("gemma2");
  config["attn_logit_softcapping"] = nullptr;
  config["final_logit_softcapping"] = nullptr;
  const Architecture model = read_architecture(config, "model");
  EXPECT_EQ(model.attention_softcap, 0);
  EXPECT_EQ(model.logit_softcap, 0);
  config.erase("attn_logit_softcapping");
  EXPECT_EQ(read_architecture(config, "model").attention_softcap, 50);
}

TEST(Architecture, NamesAFieldOfAnotherType) {
  Json config = small("llama");
  config["hidden_size"] = "32";
  EXPECT_TRUE(contains(refusal(config), "\"hidden_size\" is \"32\""));
  config.erase("hidden_size");
  EXPECT_TRUE(contains(refusal(config), "\"hidden_size\" is missing"));
  config["hidden_size"] = 32;
  config["num_key_value_heads"] = 3;
  EXPECT_TRUE(contains(refusal(config), "does not divide"));
}

}  // namespace
}  // namespace expo
