#include "expo/checkpoint/lora/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

const char* const kWhere = "adapter/adapter_config.json";

/// The configuration that PEFT 0.21 writes for LoraConfig(r=8, lora_alpha=16,
/// target_modules=["q_proj"]), with changes.
std::string config(const std::string& changes = "{}") {
  Json json = parse_json(R"({
    "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null,
    "auto_mapping": {"base_model_class": "LlamaForCausalLM"}, "base_model_name_or_path": "owner/base",
    "bias": "none", "corda_config": null, "ensure_weight_tying": false, "eva_config": null,
    "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true,
    "init_lora_weights": true, "kasa_config": null, "layer_replication": null,
    "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 16,
    "lora_bias": false, "lora_dropout": 0.05, "lora_ga_config": null, "megatron_config": null,
    "megatron_core": "megatron.core", "modules_to_save": null, "monteclora_config": null,
    "peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 8,
    "rank_pattern": {}, "revision": null, "target_modules": ["q_proj"], "target_parameters": null,
    "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_bdlora": null,
    "use_dora": false, "use_qalora": false, "use_rslora": false, "velora_config": null})",
                         "test");
  const Json more = parse_json(changes, "test");
  for (const auto& [key, value] : more.items()) json[key] = value;
  return json.dump();
}

void expect_refusal(const std::string& text, const std::string& reason) {
  try {
    parse_lora_config(text, kWhere);
    ADD_FAILURE() << "accepted: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
    EXPECT_EQ(std::string(error.what()).find(kWhere), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(LoraConfig, ReadsWhatPeftWrites) {
  const LoraConfig parsed = parse_lora_config(config(), kWhere);
  EXPECT_EQ(parsed.rank, 8u);
  EXPECT_EQ(parsed.alpha, 16.0);
  EXPECT_FALSE(parsed.rank_stabilised);
  EXPECT_EQ(parsed.base_model, "owner/base");
  EXPECT_TRUE(parsed.warnings.empty());
  EXPECT_EQ(parsed.scale_of("model.layers.0.self_attn.q_proj"), 2.0);
}

TEST(LoraConfig, TakesTheFirstPatternThatMatches) {
  const LoraConfig parsed = parse_lora_config(config(R"({
      "rank_pattern": {"layers.0.mlp.up_proj": 3, "up_proj": 4, "^down_proj": 5},
      "alpha_pattern": {"layers\\.[01]\\..*": 12, "up_proj": 1.5}})"),
                                              kWhere);
  EXPECT_EQ(parsed.rank_of("model.layers.0.mlp.up_proj"), 3u);
  EXPECT_EQ(parsed.rank_of("model.layers.1.mlp.up_proj"), 4u);
  EXPECT_EQ(parsed.rank_of("model.layers.1.mlp.down_proj"), 8u);
  EXPECT_EQ(parsed.scale_of("model.layers.0.mlp.up_proj"), 12.0 / 3);
  EXPECT_EQ(parsed.scale_of("model.layers.2.mlp.up_proj"), 1.5 / 4);
}

TEST(LoraConfig, ScalesByTheRootOfTheRankWithRslora) {
  const LoraConfig parsed =
      parse_lora_config(config(R"({"use_rslora": true, "rank_pattern": {"v_proj": 3}})"), kWhere);
  EXPECT_EQ(parsed.scale_of("a.v_proj"), 16.0 / std::sqrt(3.0));
}

TEST(LoraConfig, SavedModulesAreNamedByTheirEnds) {
  const LoraConfig parsed =
      parse_lora_config(config(R"({"modules_to_save": ["lm_head", "0.mlp"]})"), kWhere);
  EXPECT_TRUE(parsed.saves("lm_head"));
  EXPECT_TRUE(parsed.saves("model.lm_head"));
  EXPECT_TRUE(parsed.saves("model.layers.10.mlp.up_proj"));
  EXPECT_FALSE(parsed.saves("model.layers.1.mlp.up_proj"));
  EXPECT_FALSE(parsed.saves("model.embed_tokens"));
}

TEST(LoraConfig, AcceptsInitialisationsThatLeaveTheBaseAlone) {
  for (const char* init : {"true", "false", "\"gaussian\"", "\"eva\"", "\"orthogonal\"", "null"}) {
    EXPECT_NO_THROW(
        parse_lora_config(config(std::string("{\"init_lora_weights\": ") + init + "}"), kWhere))
        << init;
  }
}

TEST(LoraConfig, RefusesByNameWhatChangesTheResult) {
  const std::pair<const char*, const char*> settings[] = {
      {"use_dora", "true"},
      {"lora_bias", "true"},
      {"bias", "\"all\""},
      {"bias", "\"lora_only\""},
      {"bias", "true"},
      {"layer_replication", "[[0, 4], [2, 5]]"},
      {"use_qalora", "true"},
      {"use_bdlora", "{\"nblocks\": 2}"},
      {"alora_invocation_tokens", "[1]"},
      {"arrow_config", "{\"top_k\": 3}"},
      {"kasa_config", "{\"beta\": 0.1}"},
      {"monteclora_config", "{\"num_samples\": 8}"},
      {"velora_config", "{\"num_groups\": 64}"},
      {"megatron_config", "{\"x\": 1}"},
      {"trainable_token_indices", "[1, 2]"},
      {"target_parameters", "[\"experts.down_proj\"]"},
      {"enable_lora", "[true, false, true]"},
      {"init_lora_weights", "\"pissa\""},
      {"init_lora_weights", "\"pissa_niter_4\""},
      {"init_lora_weights", "\"olora\""},
      {"init_lora_weights", "\"corda\""},
      {"init_lora_weights", "\"loftq\""},
      {"init_lora_weights", "\"lora_ga\""},
      {"init_lora_weights", "\"mica\""},
      {"init_lora_weights", "3"},
  };
  for (const auto& [key, value] : settings) {
    expect_refusal(config("{\"" + std::string(key) + "\": " + value + "}"),
                   std::string(key) + " is ");
  }
}

TEST(LoraConfig, RefusesOtherTypesByName) {
  expect_refusal(config(R"({"peft_type": "IA3"})"), "\"IA3\"");
  expect_refusal(config(R"({"peft_type": "lora"})"), "\"lora\"");
  expect_refusal(config(R"({"peft_type": null})"), "null");
  expect_refusal(R"({"r": 8, "lora_alpha": 8})", "\"peft_type\" is missing");
}

TEST(LoraConfig, RefusesMalformedValues) {
  const std::pair<const char*, const char*> settings[] = {
      {"r", "0"},
      {"r", "-1"},
      {"r", "8.5"},
      {"r", "\"8\""},
      {"r", "65537"},
      {"r", "18446744073709551616"},
      {"lora_alpha", "\"16\""},
      {"lora_alpha", "null"},
      {"use_rslora", "1"},
      {"fan_in_fan_out", "\"yes\""},
      {"ensure_weight_tying", "[]"},
      {"rank_pattern", "[]"},
      {"rank_pattern", "{\"q_proj\": 0}"},
      {"rank_pattern", "{\"q_proj\": true}"},
      {"rank_pattern", "{\"(q_proj\": 4}"},
      {"alpha_pattern", "{\"q_proj\": \"8\"}"},
      {"alpha_pattern", "7"},
      {"modules_to_save", "\"lm_head\""},
      {"modules_to_save", "[1]"},
      {"modules_to_save", "[\"\"]"},
      {"base_model_name_or_path", "3"},
  };
  for (const auto& [key, value] : settings) {
    expect_refusal(config("{\"" + std::string(key) + "\": " + value + "}"), key);
  }
  expect_refusal(config("{\"rank_pattern\": {\"" + std::string(2001, 'a') + "\": 1}}"),
                 "longer than 2000");
}

/// Patterns {"(a{990}){9}0": 1, "(a{990}){9}1": 1, …}, each of which expands to almost 20,000
/// steps.
std::string large_patterns(int first, int count) {
  Json patterns = Json::object();
  for (int i = first; i < first + count; ++i) patterns["(a{990}){9}" + std::to_string(i)] = 1;
  return patterns.dump();
}

TEST(LoraConfig, RefusesPatternsThatAreTooLargeTogether) {
  EXPECT_NO_THROW(
      parse_lora_config(config("{\"rank_pattern\": " + large_patterns(0, 50) + "}"), kWhere));
  expect_refusal(config("{\"rank_pattern\": " + large_patterns(0, 1000) + "}"),
                 "rank_pattern: the pattern \"(a{990}){9}1");
  // Both lists share one budget.
  expect_refusal(config("{\"rank_pattern\": " + large_patterns(0, 80) +
                        ", \"alpha_pattern\": " + large_patterns(80, 80) + "}"),
                 "together");
}

TEST(LoraConfig, TakesAPatternForEveryModuleOfALargeModel) {
  Json ranks = Json::object();
  for (int layer = 0; layer < 126; ++layer) {
    for (const char* module :
         {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}) {
      ranks["base_model.model.model.layers." + std::to_string(layer) + ".self_attn." + module] = 4;
    }
  }
  const auto parsed = parse_lora_config(config("{\"rank_pattern\": " + ranks.dump() + "}"), kWhere);
  EXPECT_EQ(parsed.rank_pattern.size(), 882u);
}

TEST(LoraConfig, RefusesWhatIsNoConfiguration) {
  expect_refusal("", "JSON");
  expect_refusal("[]", "not a JSON object");
  expect_refusal("null", "not a JSON object");
  expect_refusal("{\"peft_type\": \"LORA\"}", "\"r\" is missing");
  expect_refusal("{\"peft_type\": \"LORA\", \"r\": 4}", "\"lora_alpha\" is missing");
  expect_refusal("{\"peft_type\": \"LORA\", \"peft_type\": \"LORA\"}", "twice");
  expect_refusal("{\"lora_parameters\": {\"rank\": 8}}", "\"peft_type\" is missing");
}

TEST(LoraConfig, UnknownKeysAreRefusedUnlessTheyAreOffOrParameters) {
  for (const char* value : {"null", "false", "0", "\"\"", "[]", "{}"}) {
    const std::string changes = std::string("{\"use_new\": ") + value + "}";
    EXPECT_TRUE(parse_lora_config(config(changes), kWhere).warnings.empty()) << value;
  }
  for (const char* value : {"16", "\"fast\"", "0.5"}) {
    const std::string changes = std::string("{\"new_size\": ") + value + "}";
    const auto warnings = parse_lora_config(config(changes), kWhere).warnings;
    ASSERT_EQ(warnings.size(), 1u) << value;
    EXPECT_NE(warnings[0].find("\"new_size\""), std::string::npos);
  }
  for (const char* value : {"true", "[1]", "{\"a\": 1}"}) {
    expect_refusal(config(std::string("{\"use_new\": ") + value + "}"), "\"use_new\"");
  }
}

}  // namespace
}  // namespace expo
