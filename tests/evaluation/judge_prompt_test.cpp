#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/json.h"
#include "expo/evaluation/judge/judge_costs.h"
#include "expo/evaluation/judge/judge_prompt.h"
#include "expo/evaluation/judge/python_text.h"
#include "expo/evaluation/judge/reply_preference.h"
#include "expo/evaluation/judge/sha2.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

const std::filesystem::path kSource(EXPO_SOURCE_DIR);

JudgeTemplate shipped_template() {
  return {posix_filesystem(), kSource / "data/judge/alpaca_eval_clf.prompt"};
}

/// What alpaca_eval itself makes (make_judge_goldens.py).
const Json& goldens() {
  static const Json read = parse_json(
      posix_filesystem().read_text(kSource / "tests/evaluation/judge_goldens.json"), "goldens");
  return read;
}

/// A reply with these tokens weighed in the place of each token of the answer.
ChatReply reply_with(std::vector<std::vector<WeighedToken>> weighed) {
  ChatReply reply;
  reply.weighed = std::move(weighed);
  return reply;
}

ChatReply reply_of(std::vector<WeighedToken> weighed) {
  std::vector<std::vector<WeighedToken>> positions;
  positions.push_back(std::move(weighed));
  return reply_with(std::move(positions));
}

ChatReply golden_reply(const Json& answer) {
  std::vector<std::vector<WeighedToken>> positions;
  for (const Json& position : answer) {
    auto& tokens = positions.emplace_back();
    for (const Json& token : position.at("top_logprobs"))
      tokens.push_back({token.at("token").get<std::string>(), token.at("logprob").get<double>()});
  }
  return reply_with(std::move(positions));
}

std::string text_in(const Json& row, const char* column) {
  return row.at(column).get<std::string>();
}

TEST(Sha2, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(sha256_digits(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_digits("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_digits("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  // python: hashlib.sha256(b"a" * n).hexdigest() around the ends of a block
  EXPECT_EQ(sha256_digits(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const auto long_digest = sha512("abc");
  EXPECT_EQ(long_digest[0], 0xdd);
  EXPECT_EQ(long_digest[1], 0xaf);
  EXPECT_EQ(long_digest[62], 0xa4);
  EXPECT_EQ(long_digest[63], 0x9f);
}

TEST(PythonText, StripsWhatPythonStrips) {
  EXPECT_EQ(python_stripped("\u2003 \t\x1f x y\u00a0\u3000\n"), "x y");
  EXPECT_EQ(python_stripped("\u200b x"), "\u200b x");  // a zero-width space is none
  EXPECT_EQ(python_stripped(" \n "), "");
}

TEST(JudgePrompt, IsAlpacaEvalsForEachPairOfAnswers) {
  const JudgeTemplate prompt = shipped_template();
  int switched = 0;
  int asked = 0;
  for (const Json& row : goldens().at("cases")) {
    if (row.at("messages").is_null()) continue;
    ++asked;
    const std::string instruction = text_in(row, "instruction");
    const bool swap = is_switched(instruction, 0);
    switched += swap ? 1 : 0;
    const JudgePrompt made =
        prompt.render(instruction, text_in(row, swap ? "output_2" : "output_1"),
                      text_in(row, swap ? "output_1" : "output_2"));
    EXPECT_EQ(made.messages, row.at("messages")) << instruction;
    EXPECT_EQ(made.impossible, "");
  }
  EXPECT_GT(asked, 60);
  EXPECT_GT(switched, asked / 4);
  EXPECT_LT(switched, asked * 3 / 4);
}

TEST(JudgePrompt, IsImpossibleWhereAlpacaEvalFails) {
  const JudgeTemplate prompt = shipped_template();
  for (const Json& text : goldens().at("refused")) {
    const JudgePrompt made = prompt.render("x", text.get<std::string>(), "y");
    EXPECT_NE(made.impossible, "") << text;
    EXPECT_TRUE(made.altered);
  }
}

TEST(JudgePrompt, TellsWhetherATextHoldsAMarkThatChangesIt) {
  const JudgeTemplate prompt = shipped_template();
  EXPECT_FALSE(prompt.render("a {instruction}", "b {output_1}", "c {output_2}").altered);
  EXPECT_TRUE(prompt.render("a {output_1}", "b", "c").altered);
  EXPECT_TRUE(prompt.render("a", "b {output_2}", "c").altered);
  EXPECT_TRUE(prompt.render("a", "b", "c<|im_end|>").altered);
}

TEST(JudgeTemplate, RefusesAnotherFile) {
  MemoryFilesystem filesystem;
  const std::string good = "<|im_start|>user\n{instruction} {output_1} {output_2}<|im_end|>\n";
  filesystem.write_text("/good", good);
  filesystem.write_text("/doubled", "<|im_start|>{output_1}" + good);
  filesystem.write_text("/open", good.substr(0, 40));
  EXPECT_EQ(JudgeTemplate(filesystem, "/good").render("1", "2", "3").messages,
            parse_json(R"([{"content": "1 2 3", "role": "user"}])", "messages"));
  for (const char* path : {"/doubled", "/open"})
    EXPECT_TRUE(contains(
        refusal(ErrorCategory::input, [&] { JudgeTemplate(filesystem, path); }),
        std::string(path) + ": is not the template of a judge's prompt; expected messages"));
}

TEST(ReplyPreference, IsAlpacaEvalsForEachAnswer) {
  int failed = 0;
  for (const Json& row : goldens().at("cases")) {
    if (row.at("messages").is_null()) continue;
    const Verdict verdict = preference_of_reply(golden_reply(row.at("answer")),
                                                is_switched(text_in(row, "instruction"), 0));
    if (row.at("preference").is_null()) {
      EXPECT_FALSE(verdict.preference) << row;
      EXPECT_NE(verdict.failure, "");
      ++failed;
    } else {
      ASSERT_TRUE(verdict.preference) << row;
      EXPECT_NEAR(*verdict.preference, row.at("preference").get<double>(), 1e-12) << row;
    }
  }
  EXPECT_GT(failed, 3);
}

TEST(ReplyPreference, SaysWhyThereIsNone) {
  const auto why = [](const ChatReply& reply) {
    const Verdict verdict = preference_of_reply(reply, false);
    EXPECT_FALSE(verdict.preference);
    return verdict.failure;
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(why({.failure = "HTTP 500: out of order"}), "HTTP 500: out of order");
  EXPECT_EQ(why({.text = "m"}), "the answer came without log-probabilities");
  EXPECT_EQ(why(reply_with(std::vector<std::vector<WeighedToken>>(2))),
            "the answer has 2 tokens; expected one");
  EXPECT_EQ(why(reply_of(std::vector<WeighedToken>{})),
            "the judge weighed neither m nor M, but nothing");
  EXPECT_EQ(why(reply_of({{"The", -0.1}, {"\n", -3.0}})),
            "the judge weighed neither m nor M, but \"The\", \"\\x0a\"");
  EXPECT_EQ(why(reply_of({{"m", kNan}, {"M", -1.0}})),
            "the log-probability of a letter is not a number");
  EXPECT_TRUE(
      contains(why(reply_of({{"m", -kInfinity}, {"M", -kInfinity}})), "give no preference"));
}

TEST(ReplyPreference, TakesALetterOfProbabilityZero) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(preference_of_reply(reply_of({{"m", -3.0}, {"M", -kInfinity}}), false).preference, 1.0);
  EXPECT_EQ(preference_of_reply(reply_of({{"m", -3.0}, {"M", -kInfinity}}), true).preference, 2.0);
}

TEST(Budget, ReservesTheWorstBeforeARequestLeaves) {
  Budget budget(1.0);
  EXPECT_TRUE(budget.reserve(0.5));
  EXPECT_TRUE(budget.reserve(0.5));
  EXPECT_FALSE(budget.reserve(0.1));
  budget.settle(0.5, 0.125);
  EXPECT_EQ(budget.spent(), 0.125);
  EXPECT_EQ(budget.reserved(), 0.5);
  EXPECT_TRUE(budget.reserve(0.375));
  EXPECT_FALSE(budget.reserve(0.0625));
  EXPECT_TRUE(Budget(std::nullopt).reserve(1e9));
}

TEST(JudgeCosts, BoundAndEstimateTheTokensOfARequest) {
  const ChatRequest request{
      .id = 0, .messages = Json::array({{{"content", std::string(4000, 'x')}, {"role", "user"}}})};
  const ChatSampling sampling{.model = "gpt-4-1106-preview"};
  EXPECT_GE(largest_usage(request, sampling).prompt_tokens, 4004U);
  EXPECT_LE(largest_usage(request, sampling).prompt_tokens, 4200U);
  EXPECT_NEAR(static_cast<double>(likely_usage(request, sampling).prompt_tokens), 1000, 20);
  EXPECT_EQ(largest_usage(request, sampling).completion_tokens, 1U);
  EXPECT_DOUBLE_EQ(published_prices(sampling.model)->of({1000000, 100000}), 13.0);
  EXPECT_FALSE(published_prices("llama"));
}

TEST(JudgeSampling, IsThatOfAlpacaEvalsRequests) {
  const ChatSampling sampling{.model = "gpt-4-1106-preview"};
  const Json expected{{"model", sampling.model},
                      {"logprobs", true},
                      {"top_logprobs", sampling.top_logprobs},
                      {"max_tokens", sampling.max_tokens},
                      {"top_p", sampling.top_p},
                      {"temperature", sampling.temperature}};
  for (const auto& [name, value] : goldens().at("request").items())
    EXPECT_EQ(value, expected.at(name)) << name;
  EXPECT_EQ(goldens().at("request").size(), expected.size());
}

}  // namespace
}  // namespace expo
