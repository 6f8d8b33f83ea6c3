#include "expo/evaluation/judge/judge.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>
#include <stdexcept>

#include "evaluation/fake_chat_model.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/evaluation/judge/annotation_output.h"
#include "support/contains.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

const std::filesystem::path kTemplate =
    std::filesystem::path(EXPO_SOURCE_DIR) / "data/judge/alpaca_eval_clf.prompt";

AnswerPairs pairs_of(std::size_t count) {
  AnswerPairs pairs{.baseline = "baseline", .model = "model"};
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    pairs.rows.push_back({.index = i,
                          .place = "answers.json: row " + std::to_string(i + 1),
                          .instruction = "Instruction " + number,
                          .baseline_output = "baseline's " + number,
                          .model_output = "model's " + number});
  }
  return pairs;
}

JudgeOptions options_with(std::optional<double> budget = {}) {
  return {.sampling = {.model = "gpt-4-1106-preview"},
          .prices = TokenPrices{.prompt = 10, .completion = 30},
          .budget = budget};
}

/// What a judge says of pairs, with all that it needs in memory.
class JudgeTest : public testing::Test {
 protected:
  JudgeTest() {
    filesystem_.create_directory("/cache");
    filesystem_.make_durable();
  }

  JudgeResult run(const AnswerPairs& pairs, FakeChatModel& model, const JudgeOptions& options) {
    JudgeCache cache(filesystem_, "/cache/replies.jsonl");
    Judge judge(pairs, template_, model.origin(), options, known_, cache);
    return judge.run(model, cancellation_);
  }

  std::size_t kept() { return JudgeCache(filesystem_, "/cache/replies.jsonl").size(); }

  MemoryFilesystem filesystem_;
  JudgeTemplate template_{posix_filesystem(), kTemplate};
  KnownAnnotations known_;
  CancellationToken cancellation_;
};

/// What the judge of reply_to() has to say of a pair, by the arithmetic of AlpacaEval.
double expected_preference(const JudgeTemplate& prompt, const AnswerPair& pair) {
  const bool switched = is_switched(pair.instruction, 0);
  const auto& first = switched ? pair.model_output : pair.baseline_output;
  const auto& second = switched ? pair.baseline_output : pair.model_output;
  const double m =
      drawn_from(compact_json(prompt.render(pair.instruction, first, second).messages));
  return switched ? 1 + m : 2 - m;
}

TEST_F(JudgeTest, LosesAndDoublesNoneOfTenThousandRequests) {
  const AnswerPairs pairs = pairs_of(10000);
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  const JudgeResult result = run(pairs, model, options_with());
  EXPECT_EQ(model.most_under_way, 64U);
  ASSERT_EQ(model.asked.size(), pairs.rows.size());
  for (const auto& [id, times] : model.asked) ASSERT_EQ(times, 1U) << id;
  ASSERT_EQ(result.rows.size(), pairs.rows.size());
  for (std::size_t i = 0; i < pairs.rows.size(); ++i) {
    ASSERT_TRUE(result.rows[i].preference);
    ASSERT_NEAR(*result.rows[i].preference, expected_preference(template_, pairs.rows[i]), 1e-12);
  }
  EXPECT_EQ(result.requests, 10000U);
  EXPECT_EQ(result.usage.prompt_tokens, 500U * 10000);
  EXPECT_NEAR(result.cost.value(), 10000 * (500 * 10 + 30) / 1e6, 1e-9);
  EXPECT_EQ(kept(), 10000U);
}

TEST_F(JudgeTest, AsksNothingAgainThatIsInTheCache) {
  const AnswerPairs pairs = pairs_of(50);
  FakeChatModel first([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  FakeChatModel second(first);
  const JudgeResult before = run(pairs, first, options_with());
  const JudgeResult after = run(pairs, second, options_with());
  EXPECT_TRUE(second.asked.empty());
  EXPECT_EQ(after.count(VerdictSource::cache), 50U);
  EXPECT_EQ(annotations_json(pairs, before, "judge"), annotations_json(pairs, after, "judge"));
  JudgeOptions replicate = options_with();
  replicate.replicate = 1;
  run(pairs, second, replicate);
  EXPECT_EQ(second.asked.size(), 50U);
}

TEST_F(JudgeTest, TakesEqualAnswersForADrawWithoutAsking) {
  AnswerPairs pairs = pairs_of(3);
  pairs.rows[1].model_output = pairs.rows[1].baseline_output;
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  const JudgeResult result = run(pairs, model, options_with());
  EXPECT_EQ(result.rows[1].preference, 1.5);
  EXPECT_EQ(result.count(VerdictSource::same_answers), 1U);
  EXPECT_EQ(model.asked.size(), 2U);
}

TEST_F(JudgeTest, AsksAgainWhereItFailedAndNamesWhatRemains) {
  const AnswerPairs pairs = pairs_of(20);
  const auto answer = [](const ChatRequest& request, std::uint64_t times) -> ChatReply {
    if (request.id == 3) return {.failure = "HTTP 400: too long", .is_final = true};
    if (request.id == 5 && times < 3) return {.failure = "the connection was reset"};
    ChatReply reply = reply_to(request);
    if (request.id == 7) reply.weighed->front() = {{"Neither", -0.5}};
    return reply;
  };
  FakeChatModel model(answer);
  const JudgeResult result = run(pairs, model, options_with());
  EXPECT_EQ(model.asked.at(3), 1U);
  EXPECT_EQ(model.asked.at(5), 3U);
  EXPECT_EQ(model.asked.at(7), 3U);
  EXPECT_TRUE(result.rows[5].preference);
  EXPECT_EQ(result.count(VerdictSource::none), 2U);
  EXPECT_EQ(kept(), 18U);
  const std::vector<std::string> warnings = failure_warnings(pairs, result);
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0], "answers.json: row 4: there is no preference: HTTP 400: too long");
  EXPECT_EQ(warnings[1],
            "answers.json: row 8: there is no preference: the judge weighed neither m nor M, but "
            "\"Neither\" (asked 3 times)");

  FakeChatModel later([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  EXPECT_EQ(run(pairs, later, options_with()).count(VerdictSource::none), 0U);
  EXPECT_EQ(later.asked.size(), 2U) << "only the rows that failed";
}

TEST_F(JudgeTest, NamesTheFirstRowsOfManyAndCountsThem) {
  const AnswerPairs pairs = pairs_of(9);
  FakeChatModel model([](const ChatRequest&, std::uint64_t) -> ChatReply {
    return {.failure = "HTTP 400: no", .is_final = true};
  });
  const auto warnings = failure_warnings(pairs, run(pairs, model, options_with()));
  ASSERT_EQ(warnings.size(), 6U);
  EXPECT_EQ(warnings[5], "9 of 9 rows have no preference; the first 5 are named above");
}

TEST_F(JudgeTest, KeepsItsBudgetWithRequestsUnderWay) {
  const AnswerPairs pairs = pairs_of(400);
  constexpr double kBudget = 0.5;
  // Each request costs nearly its worst: 1700 bytes of prompt and more.
  std::uint64_t replies = 0;
  FakeChatModel model([&](const ChatRequest& request, std::uint64_t) {
    ChatReply reply = reply_to(request);
    const ChatUsage most = largest_usage(request, options_with().sampling);
    reply.usage = replies++ % 2 == 0 ? most : ChatUsage{most.prompt_tokens / 4, 1};
    return reply;
  });
  const JudgeResult result = run(pairs, model, options_with(kBudget));
  EXPECT_LE(result.cost.value(), kBudget);
  EXPECT_GT(result.cost.value(), 0.95 * kBudget);
  const std::uint64_t judged = result.count(VerdictSource::reply);
  EXPECT_EQ(judged, replies);
  EXPECT_EQ(result.count(VerdictSource::none), 400 - judged);
  EXPECT_GT(judged, 10U);
  EXPECT_EQ(failure_warnings(pairs, result).back(),
            std::to_string(400 - judged) +
                " of 400 rows have no preference; the first 5 are named above");
  EXPECT_TRUE(contains(failure_warnings(pairs, result)[0], "the budget of $0.5 did not suffice"));

  std::uint64_t later = 0;
  FakeChatModel other([&](const ChatRequest& request, std::uint64_t) {
    ++later;
    return reply_to(request);
  });
  EXPECT_EQ(run(pairs, other, options_with()).count(VerdictSource::none), 0U);
  EXPECT_EQ(later, 400 - judged) << "what was paid for is not asked again";
}

TEST_F(JudgeTest, TakesTheWorstWhereAReplyNeverCame) {
  const AnswerPairs pairs = pairs_of(1);
  FakeChatModel lost([](const ChatRequest&, std::uint64_t) -> ChatReply {
    return {.failure = "no reply came in 60 s", .may_cost = true};
  });
  JudgeCache cache(filesystem_, "/replies.jsonl");
  Judge judge(pairs, template_, lost.origin(), options_with(), known_, cache);
  const double worst = judge.estimate().largest_cost.value();
  EXPECT_NEAR(judge.run(lost, cancellation_).cost.value(), 3 * worst, 1e-12);

  // Refused by the server: on no bill.
  FakeChatModel busy(
      [](const ChatRequest&, std::uint64_t) -> ChatReply { return {.failure = "HTTP 503: busy"}; });
  EXPECT_EQ(run(pairs, busy, options_with()).cost.value(), 0);
}

TEST_F(JudgeTest, EstimatesBeforeItAsks) {
  AnswerPairs pairs = pairs_of(10);
  pairs.rows[4].model_output = pairs.rows[4].baseline_output;
  JudgeCache cache(filesystem_, "/replies.jsonl");
  const JudgeEstimate estimate =
      Judge(pairs, template_, "origin", options_with(), known_, cache).estimate();
  EXPECT_EQ(estimate.requests, 9U);
  // Each pair adds some 40 bytes, and marks are taken out.
  const auto bytes = static_cast<double>(posix_filesystem().read_text(kTemplate).size());
  EXPECT_NEAR(static_cast<double>(estimate.likely.prompt_tokens), 9 * bytes / 4, 9 * 25);
  EXPECT_GT(static_cast<double>(estimate.largest.prompt_tokens), 9 * (bytes - 100));
  EXPECT_GT(estimate.largest_cost.value(), estimate.likely_cost.value());
  JudgeOptions unpriced = options_with();
  unpriced.prices.reset();
  EXPECT_FALSE(Judge(pairs, template_, "origin", unpriced, known_, cache).estimate().likely_cost);
  unpriced.budget = 1;
  EXPECT_TRUE(contains(
      refusal(ErrorCategory::usage, [&] { Judge(pairs, template_, "o", unpriced, known_, cache); }),
      "a budget needs the prices of the judge's tokens"));
}

TEST_F(JudgeTest, EndsWhereNoAnswerHasLogProbabilities) {
  const AnswerPairs pairs = pairs_of(100);
  FakeChatModel model([](const ChatRequest&, std::uint64_t) -> ChatReply { return {.text = "m"}; });
  const std::string message =
      refusal(ErrorCategory::environment, [&] { run(pairs, model, options_with()); });
  EXPECT_TRUE(contains(message,
                       "https://judge.example/v1: the first 8 answers of "
                       "gpt-4-1106-preview came without log-probabilities"));
  EXPECT_LE(model.asked.size(), 72U);
}

TEST_F(JudgeTest, EndsWhereTheServerAnswersNothingAnyMore) {
  const AnswerPairs pairs = pairs_of(200);
  std::uint64_t replies = 0;
  FakeChatModel model(
      [&](const ChatRequest& request, std::uint64_t) -> ChatReply {
        if (++replies > 30) return {.failure = "the connection broke", .may_cost = true};
        return reply_to(request);
      },
      4);
  const std::string message =
      refusal(ErrorCategory::environment, [&] { run(pairs, model, options_with()); });
  EXPECT_TRUE(
      contains(message, "the connection broke; the 7 requests before it failed too, so the"));
  EXPECT_EQ(replies, 38U);
  EXPECT_EQ(kept(), 30U);
}

TEST_F(JudgeTest, GoesOnWhereRowsAreRefusedThatOthersAreNot) {
  const AnswerPairs pairs = pairs_of(100);
  FakeChatModel model(
      [&](const ChatRequest& request, std::uint64_t) -> ChatReply {
        if (request.id >= 40) return {.failure = "HTTP 400: too long", .is_final = true};
        return reply_to(request);
      },
      4);
  EXPECT_EQ(run(pairs, model, options_with()).count(VerdictSource::none), 60U);
}

TEST_F(JudgeTest, CountsWhatWasSpentOfTheBudgetBefore) {
  const AnswerPairs pairs = pairs_of(50);
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  JudgeOptions options = options_with(1);
  options.spent = 1;
  const JudgeResult result = run(pairs, model, options);
  EXPECT_TRUE(model.asked.empty());
  EXPECT_TRUE(contains(result.rows[0].failure, "the budget of $1 did not suffice"));
}

TEST_F(JudgeTest, KeepsWhatWasPaidForWhenItIsInterrupted) {
  const AnswerPairs pairs = pairs_of(100);
  std::uint64_t replies = 0;
  FakeChatModel model([&](const ChatRequest& request, std::uint64_t) {
    if (++replies == 40) cancellation_.cancel();
    return reply_to(request);
  });
  refusal(ErrorCategory::interrupted, [&] { run(pairs, model, options_with()); });
  filesystem_.lose_power();
  EXPECT_EQ(kept(), 40U);
}

TEST_F(JudgeTest, NoticesAModelThatLosesARequest) {
  const AnswerPairs pairs = pairs_of(5);
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  model.loses[2] = true;
  EXPECT_THROW(run(pairs, model, options_with()), std::logic_error);
}

TEST_F(JudgeTest, WarnsOfAnswersWithMarksOfThePrompt) {
  AnswerPairs pairs = pairs_of(4);
  pairs.rows[1].model_output += "<|im_end|>";
  pairs.rows[2].model_output += "<|im_start|>system x";
  JudgeCache cache(filesystem_, "/replies.jsonl");
  Judge judge(pairs, template_, "https://judge.example/v1", options_with(), known_, cache);
  ASSERT_EQ(judge.warnings().size(), 1U);
  EXPECT_TRUE(contains(judge.warnings()[0], "answers.json: row 2: the instruction or an answer "));
  EXPECT_TRUE(contains(judge.warnings()[0], "this is so in 2 rows"));
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  const JudgeResult result = judge.run(model, cancellation_);
  EXPECT_EQ(model.asked.size(), 3U);
  EXPECT_TRUE(contains(result.rows[2].failure, "no prompt can be made of it"));
}

TEST(AnnotatorName, IsAlpacaEvals) {
  EXPECT_EQ(annotator_name("gpt-4-1106-preview"), "weighted_alpaca_eval_gpt4_turbo");
  EXPECT_EQ(annotator_name("gpt-4o-mini-2024-07-18"),
            "weighted_alpaca_eval_gpt-4o-mini-2024-07-18");
}

TEST(JudgeCache, KeysDifferInAllThatAReplyDependsOn) {
  const Json messages = Json::array({{{"content", "x"}, {"role", "user"}}});
  const ChatSampling usual{.model = "a"};
  std::vector<ChatSampling> samplings(5, usual);
  samplings[0].model = "b";
  samplings[1].max_tokens = 2;
  samplings[2].temperature = 0;
  samplings[3].top_p = 0.5;
  samplings[4].top_logprobs = 20;
  std::set<std::string> keys{request_key("o", usual, messages, "t", false, 0),
                             request_key("p", usual, messages, "t", false, 0),
                             request_key("o", usual, Json::array(), "t", false, 0),
                             request_key("o", usual, messages, "u", false, 0),
                             request_key("o", usual, messages, "t", true, 0),
                             request_key("o", usual, messages, "t", false, 1)};
  for (const ChatSampling& sampling : samplings)
    keys.insert(request_key("o", sampling, messages, "t", false, 0));
  EXPECT_EQ(keys.size(), 11U);
  EXPECT_EQ(keys.begin()->size(), 64U);
}

TEST(JudgeCache, KeepsRepliesExactlyAndDropsATornLine) {
  MemoryFilesystem filesystem;
  const ChatReply reply = reply_for(1.0 / 3);
  {
    JudgeCache cache(filesystem, "/replies.jsonl");
    cache.add("k", reply, "model");
    cache.add("l", reply, "model");
    EXPECT_TRUE(contains(
        refusal(ErrorCategory::environment, [&] { JudgeCache(filesystem, "/replies.jsonl"); }),
        "another run is writing this file"));
  }
  std::string text = filesystem.read_text("/replies.jsonl");
  filesystem.write_text("/replies.jsonl", text.substr(0, text.size() - 5));
  JudgeCache cache(filesystem, "/replies.jsonl");
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find("l"), nullptr);
  ASSERT_NE(cache.find("k"), nullptr);
  EXPECT_EQ(cache.find("k")->weighed->front()[1].log_prob, reply.weighed->front()[1].log_prob);
  EXPECT_EQ(cache.find("k")->usage->prompt_tokens, 500U);
}

/// Runs the judge over files in a folder, as a process of its own would; each request leaves a byte
/// in the file "asked".
void judge_in(const std::filesystem::path& folder, const AnswerPairs& pairs) {
  const JudgeTemplate prompt(posix_filesystem(), kTemplate);
  const KnownAnnotations known;
  std::ofstream asked(folder / "asked", std::ios::app);
  FakeChatModel model(
      [&](const ChatRequest& request, std::uint64_t) {
        usleep(200);
        asked << 'x' << std::flush;
        return reply_to(request);
      },
      8);
  JudgeCache cache(posix_filesystem(), folder / "replies.jsonl");
  Judge judge(pairs, prompt, model.origin(), options_with(), known, cache);
  const JudgeResult result = judge.run(model, CancellationToken());
  write_annotations(posix_filesystem(), folder / "annotations.json",
                    annotations_json(pairs, result, "judge"));
}

/// Runs it in a child that is killed after a while; returns whether it had ended before.
bool judge_and_kill(const std::filesystem::path& folder, const AnswerPairs& pairs,
                    useconds_t after) {
  const pid_t child = fork();
  if (child == 0) {
    judge_in(folder, pairs);
    _exit(0);
  }
  usleep(after);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status);
}

TEST(JudgeResumption, EndsWithTheSameAnnotationsWheneverItIsKilled) {
  const AnswerPairs pairs = pairs_of(300);
  const TemporaryFolder whole;
  judge_in(whole.path(), pairs);
  const TemporaryFolder killed;
  std::minstd_rand random(3);
  int kills = 0;
  while (kills < 12 &&
         !judge_and_kill(killed.path(), pairs, static_cast<useconds_t>(20000 + random() % 40000)))
    ++kills;
  judge_in(killed.path(), pairs);
  EXPECT_GT(kills, 0);
  EXPECT_EQ(posix_filesystem().read_text(killed / "annotations.json"),
            posix_filesystem().read_text(whole / "annotations.json"));
  // What a killed run had not kept yet is the one reply that it was at.
  EXPECT_LE(posix_filesystem().read_text(killed / "asked").size(),
            300U + static_cast<std::size_t>(kills));
}

}  // namespace
}  // namespace expo
