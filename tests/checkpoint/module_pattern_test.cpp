#include "expo/checkpoint/lora/module_pattern.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"

namespace expo {
namespace {

const char* const kModule = "model.layers.11.self_attn.q_proj";

struct Example {
  const char* pattern;
  const char* module;
  bool matches;
};

// The results of re.match(rf"(.*\.)?({pattern})$", module) in Python 3.11.
const Example kExamples[] = {
    {"q_proj", kModule, true},
    {"proj", kModule, false},
    {"self_attn.q_proj", kModule, true},
    {"attn.q_proj", kModule, false},
    {"model.layers.11.self_attn.q_proj", kModule, true},
    {"^model.layers.11.self_attn.q_proj", kModule, true},
    {"^layers.11.self_attn.q_proj", kModule, false},
    {"layers.1.self_attn.q_proj", kModule, false},
    {R"(layers\.\d+\.self_attn\.[qk]_proj)", kModule, true},
    {R"(layers\.\d\.self_attn\.q_proj)", kModule, false},
    {R"(layers\.\d{2}\..*)", kModule, true},
    {R"(layers\.\d{3,}\..*)", kModule, false},
    {R"(layers\.\d{,2}\..*)", kModule, true},
    {R"(layers\.[0-9]{1,3}?\..*)", kModule, true},
    {R"(.*\.(q|v)_proj)", kModule, true},
    {R"(.*\.(k|v)_proj)", kModule, false},
    {R"((?:q|k)_pr[^a]j)", kModule, true},
    {R"((?P<which>q|k)_proj)", kModule, true},
    {R"(\w+)", kModule, true},
    {R"(\D+)", kModule, true},
    {R"(\D+)", "layers.1", false},
    {R"(\S+\bq_proj\b)", kModule, true},
    {R"(self_attn\B.*)", kModule, false},
    {R"(q_proj\Z)", kModule, true},
    {R"(q_proj$)", kModule, true},
    {R"(\Aq_proj)", kModule, false},
    {R"(\Aq_proj)", "q_proj", true},
    {"", kModule, false},
    {"", "model.", true},
    {"q_proj|k_proj", "a.k_proj", true},
    {"q_proj|", "a.q_proj", true},
    {"a+b?c*", "x.aac", true},
    {"a+b?c*", "x.bc", false},
    {"(ab){2,3}", "abab", true},
    {"(ab){2,3}", "ab", false},
    {"(ab){2,3}", "abababab", false},
    {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    {"(a|aa)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true},
    {"(^a)*b", "b", true},
    {"[]x]+", "]x]", true},
    {"[^]x]+", "]", false},
    {"[a\\-c]+", "a-c", true},
    {"[a-c-]+", "b-", true},
    {"[\\d_]+", "4_2", true},
    {"a{,}b", "aaab", true},
    {"a{}b", "a{}b", true},
    {"a{x}b", "a{x}b", true},
    {"a\\.b", "axb", false},
    {"a.b", "axb", true},
    {"a.b", "a\nb", false},
    {"a$", "a\n", true},
    {"a\\Z", "a\n", false},
    {"a\\tb", "a\tb", true},
    {"a+b", "a+b", true},  // the key matches itself literally, too
};

TEST(ModulePattern, MatchesAsPythonDoes) {
  for (const Example& example : kExamples) {
    ModulePattern::Budget budget;
    EXPECT_EQ(ModulePattern(example.pattern, "test", budget).matches(example.module),
              example.matches)
        << example.pattern << " on " << example.module;
  }
}

struct Refusal {
  std::string pattern;
  const char* reason;
};

TEST(ModulePattern, RefusesWhatItCannotMatch) {
  const Refusal refusals[] = {
      {"(q_proj", "not closed"},
      {"q_proj)", "no opening"},
      {"a)|(b", "no opening"},
      {"[abc", "bracket"},
      {"[z-a]", "backwards"},
      {"[\\d-z]", "range"},
      {"*a", "nothing to repeat"},
      {"^*", "nothing to repeat"},
      {"a**", "two quantifiers"},
      {"a{2}{3}", "two quantifiers"},
      {"a*+", "possessive"},
      {"a{3,2}", "swapped"},
      {"a{1001}", "1000 times"},
      {"a{99999999999999999999}", "1000 times"},
      {"a\\", "backslash"},
      {"\\1", "refers back"},
      {"(?P=x)", "refers back"},
      {"(?P<x", "name of a group"},
      {"(?=a)", "ahead"},
      {"(?!a)b", "ahead"},
      {"(?<=a)b", "ahead"},
      {"(?i)a", "flags"},
      {"\\q", "not a supported escape"},
      {"[\\q]", "not a supported escape"},
      {"caf\xC3\xA9", "ASCII"},
      {std::string(200, '(') + std::string(200, ')'), "deeply"},
      {"((a{100}){100}){100}", "expands"},
      {"((()){1000}){1000}", "expands"},
  };
  for (const Refusal& refusal : refusals) {
    try {
      ModulePattern::Budget budget;
      const ModulePattern pattern(refusal.pattern, "config.json: rank_pattern", budget);
      ADD_FAILURE() << "accepted: " << refusal.pattern;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      EXPECT_NE(std::string(error.what()).find(refusal.reason), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("config.json: rank_pattern"), 0u) << error.what();
    }
  }
}

// The results of re.fullmatch(pattern, module) in Python 3.11.
const Example kWholeNames[] = {
    {"q_proj", kModule, false},
    {".*q_proj", kModule, true},
    {R"(.*\.(q|v)_proj)", kModule, true},
    {R"(model\.layers\.(0|11)\.self_attn\.[qk]_proj)", kModule, true},
    {R"(model\.layers\.1\..*)", kModule, false},
    {R"(^model\.layers\.\d+\..*_proj$)", kModule, true},
    {"model.layers", kModule, false},
    {".*proj|lm_head", "lm_head", true},
    {".*proj|lm_head", "lm_head2", false},
    {"a|ab", "ab", true},
    {"", "a", false},
    {"a$", "a\n", false},
    {"a+b", "a+b", false},
};

TEST(ModulePattern, MatchesWholeNamesAsPythonDoes) {
  for (const Example& example : kWholeNames) {
    EXPECT_EQ(ModulePattern::of_whole_names(example.pattern, "test").matches(example.module),
              example.matches)
        << example.pattern << " on " << example.module;
  }
  EXPECT_THROW(ModulePattern::of_whole_names("a)|(?:b", "test"), Error);
}

TEST(ModulePattern, TakesItsStepsFromTheBudget) {
  ModulePattern::Budget budget{1000};
  const ModulePattern pattern("(ab){10}", "test", budget);
  const std::size_t taken = 1000 - budget.steps;
  EXPECT_GE(taken, 20u);
  budget.steps = taken;
  EXPECT_TRUE(ModulePattern("(ab){10}", "test", budget).matches("x.abababababababababab"));
  EXPECT_EQ(budget.steps, 0u);
  budget.steps = taken - 1;
  EXPECT_THROW(ModulePattern("(ab){10}", "test", budget), Error);
}

}  // namespace
}  // namespace expo
