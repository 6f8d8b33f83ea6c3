#include "expo/served/engine/server_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "expo/core/error.h"

namespace expo {
namespace {

/// What the servers of a test have done, each by its address.
struct Record {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::size_t> rows;
  std::set<std::string> dead;
  std::map<std::string, std::vector<std::string>> moves;
};

/// A server whose answers are the prompt's id and the sample, whose rewards are the id's length,
/// and which dies when it has done some rows.
class FakeServer final : public Engine {
 public:
  FakeServer(Record& record, std::string address, std::size_t dies_after = SIZE_MAX,
             Json identity = {{"model", "m"}})
      : record_(record),
        address_(std::move(address)),
        dies_after_(dies_after),
        identity_(std::move(identity)) {}

  EngineDescription describe() const override {
    EngineDescription result{.name = "m", .kind = "vllm"};
    result.facts = {{"url", address_}};
    result.identity = identity_;
    result.identity["root"] = "/models/" + address_;
    return result;
  }
  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions&, const AnswerSink& sink, const TokenSink& advance,
                          const CancellationToken&) override {
    AnswerStatistics statistics{.tokens = 0, .seconds = 1, .peak_batch = 1};
    for (const AnswerTask& task : tasks) {
      work();
      const std::string text = prompts[task.prompt].id + "/" + std::to_string(task.sample);
      advance(2);
      sink({task, text, FinishReason::stop, 2});
      statistics.tokens += 2;
    }
    return statistics;
  }
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered, const TokenSink&,
                                          const CancellationToken&) override {
    std::vector<std::vector<float>> result;
    for (const Conversation& one : answered) {
      work();
      result.push_back({static_cast<float>(one.id.size())});
    }
    return result;
  }
  void move_to(const AlphaSchedule& alpha, const CancellationToken&) override {
    if (move_failure) throw Error(*move_failure);
    record_.moves[address_].push_back(alpha.description());
  }

  std::optional<Error> move_failure;
  /// Servers that must have died before this one does anything.
  std::set<std::string> outlives = {};

 private:
  void work() {
    std::unique_lock lock(record_.mutex);
    record_.changed.wait(lock, [&] { return std::ranges::includes(record_.dead, outlives); });
    if (record_.rows[address_] >= dies_after_) {
      record_.dead.insert(address_);
      record_.changed.notify_all();
      throw environment_error(address_ + ": gone");
    }
    ++record_.rows[address_];
  }

  Record& record_;
  std::string address_;
  std::size_t dies_after_;
  Json identity_;
};

std::vector<Conversation> prompts(std::size_t count) {
  std::vector<Conversation> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    result[i].id = std::string(1 + i % 7, 'p') + std::to_string(i);
    result[i].chat.messages = user_turn("question");
  }
  return result;
}

std::vector<PooledServer> pool_of(std::vector<std::unique_ptr<FakeServer>> servers) {
  std::vector<PooledServer> result;
  for (auto& each : servers) {
    const std::string address = each->describe().facts["url"];
    result.push_back({address, std::move(each)});
  }
  return result;
}

/// A pool of servers that die when they have done so many rows each: a, b, c …
std::unique_ptr<Engine> pool(Record& record, const std::vector<std::size_t>& dies_after) {
  std::vector<std::unique_ptr<FakeServer>> servers;
  for (std::size_t i = 0; i < dies_after.size(); ++i)
    servers.push_back(std::make_unique<FakeServer>(
        record, std::string(1, static_cast<char>('a' + i)), dies_after[i]));
  return pool_servers(pool_of(std::move(servers)), {}, 4);
}

/// The answers to two samples of each prompt, sorted; a sink without a lock, as it is called by one
/// thread at a time.
std::vector<std::string> answers(Engine& engine, const std::vector<Conversation>& prompts,
                                 std::uint64_t* tokens = nullptr) {
  std::vector<AnswerTask> tasks;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    for (std::uint32_t sample = 0; sample < 2; ++sample) tasks.push_back({i, sample});
  }
  std::vector<std::string> result;
  std::uint64_t advanced = 0;
  const AnswerStatistics statistics = engine.answer(
      prompts, tasks, {}, [&](Answer answer) { result.push_back(answer.text); },
      [&](std::uint64_t count) { advanced += count; }, CancellationToken());
  EXPECT_LE(statistics.tokens, advanced);
  if (tokens != nullptr) *tokens = advanced;
  std::ranges::sort(result);
  return result;
}

std::vector<std::string> expected_answers(const std::vector<Conversation>& prompts) {
  std::vector<std::string> result;
  for (const Conversation& prompt : prompts) {
    result.push_back(prompt.id + "/0");
    result.push_back(prompt.id + "/1");
  }
  std::ranges::sort(result);
  return result;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ServerPool, SharesRowsAmongServers) {
  Record record;
  const auto engine = pool(record, {SIZE_MAX, SIZE_MAX, SIZE_MAX});
  const auto asked = prompts(40);
  std::uint64_t tokens = 0;
  EXPECT_EQ(answers(*engine, asked, &tokens), expected_answers(asked));
  EXPECT_EQ(tokens, 160U);
  std::size_t rows = 0;
  for (const auto& [address, count] : record.rows) rows += count;
  EXPECT_EQ(rows, 80U);
  EXPECT_EQ(engine->describe().facts["url"], "a,b,c");
  EXPECT_TRUE(engine->incidents().empty());
}

TEST(ServerPool, GivesRewardsInTheOrderOfTheRows) {
  Record record;
  const auto engine = pool(record, {SIZE_MAX, 3, SIZE_MAX});
  const auto asked = prompts(50);
  const auto rewards = engine->rewards(
      asked, [](std::uint64_t) {}, CancellationToken());
  ASSERT_EQ(rewards.size(), asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i)
    EXPECT_EQ(rewards[i], std::vector<float>{static_cast<float>(asked[i].id.size())});
}

TEST(ServerPool, LeavesOutServersThatDieAndNamesThem) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  servers.push_back(std::make_unique<FakeServer>(record, "a", 3));
  servers.push_back(std::make_unique<FakeServer>(record, "b"));
  servers.push_back(std::make_unique<FakeServer>(record, "c", 0));
  servers[1]->outlives = {"a", "c"};
  const auto engine = pool_servers(pool_of(std::move(servers)), {}, 4);
  const auto asked = prompts(100);
  EXPECT_EQ(answers(*engine, asked), expected_answers(asked));
  const auto incidents = engine->incidents();
  ASSERT_EQ(incidents.size(), 2U);
  for (const std::string& incident : incidents) {
    EXPECT_TRUE(incident.starts_with("a: this server is left out") ||
                incident.starts_with("c: this server is left out"))
        << incident;
    EXPECT_NE(incident.find("gone"), std::string::npos) << incident;
  }
  EXPECT_EQ(engine->describe().warnings, incidents);
  EXPECT_EQ(engine->describe().facts["url"], "b");
  EXPECT_EQ(answers(*engine, asked), expected_answers(asked));
}

TEST(ServerPool, ThrowsTheFailureOfTheLastServer) {
  Record record;
  const auto engine = pool(record, {5, 9});
  const auto asked = prompts(40);
  const std::string message = message_of([&] { answers(*engine, asked); });
  EXPECT_TRUE(message == "a: gone" || message == "b: gone") << message;
  EXPECT_EQ(record.rows["a"] + record.rows["b"], 14U);
}

TEST(ServerPool, WantsServersThatAreAlike) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  servers.push_back(std::make_unique<FakeServer>(record, "a"));
  servers.push_back(std::make_unique<FakeServer>(record, "b", SIZE_MAX, Json{{"model", "other"}}));
  const std::string message = message_of([&] { pool_servers(pool_of(std::move(servers)), {}, 4); });
  EXPECT_TRUE(message.starts_with("b: the server does not say the same of its model as a"))
      << message;
}

TEST(ServerPool, NamesServersThatCouldNotBeOpened) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  servers.push_back(std::make_unique<FakeServer>(record, "a"));
  const auto engine = pool_servers(pool_of(std::move(servers)), {"b: cannot be reached"}, 4);
  EXPECT_EQ(engine->incidents(), std::vector<std::string>{"b: cannot be reached"});
  EXPECT_EQ(engine->describe().warnings, engine->incidents());
}

TEST(ServerPool, MovesAllServers) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  for (const char* address : {"a", "b", "c"})
    servers.push_back(std::make_unique<FakeServer>(record, address));
  servers[1]->move_failure = environment_error("b: restarting");
  const auto engine = pool_servers(pool_of(std::move(servers)), {}, 4);
  const AlphaSchedule half(0.5);
  engine->move_to(half, CancellationToken());
  EXPECT_EQ(record.moves.size(), 2U);
  for (const auto& [address, moves] : record.moves)
    EXPECT_EQ(moves, std::vector<std::string>{half.description()}) << address;
  ASSERT_EQ(engine->incidents().size(), 1U);
  EXPECT_EQ(engine->describe().facts["url"], "a,c");
}

TEST(ServerPool, LeavesOutWhatAnotherPoolHasLeftOut) {
  Record record;
  const auto shared = std::make_shared<SharedServers>();
  const auto pool_sharing = [&](std::optional<Error> failure_of_b) {
    std::vector<std::unique_ptr<FakeServer>> servers;
    for (const char* address : {"a", "b"})
      servers.push_back(std::make_unique<FakeServer>(record, address));
    servers[1]->move_failure = std::move(failure_of_b);
    return pool_servers(pool_of(std::move(servers)), {}, 4, shared);
  };
  const auto first = pool_sharing(environment_error("b: gone"));
  const auto second = pool_sharing(std::nullopt);
  first->move_to(AlphaSchedule(0.5), CancellationToken());
  EXPECT_EQ(shared->left_out, std::set<std::string>{"b"});
  second->move_to(AlphaSchedule(1), CancellationToken());
  EXPECT_EQ(record.moves.size(), 1U) << "b was not asked";
  const auto asked = prompts(5);
  EXPECT_EQ(answers(*second, asked), expected_answers(asked));
  EXPECT_EQ(record.rows.size(), 1U);
  EXPECT_EQ(first->incidents().size(), 1U);
  EXPECT_TRUE(second->incidents().empty()) << "it is named once";
}

TEST(ServerPool, KeepsTheLastServerThatOthersHaveLeftOut) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  for (const char* address : {"a", "b"})
    servers.push_back(std::make_unique<FakeServer>(record, address));
  const auto shared = std::make_shared<SharedServers>();
  shared->left_out = {"a", "b"};
  const auto engine = pool_servers(pool_of(std::move(servers)), {}, 4, shared);
  const auto asked = prompts(3);
  EXPECT_EQ(answers(*engine, asked), expected_answers(asked));
  EXPECT_EQ(record.rows.size(), 1U);
}

TEST(ServerPool, EndsWhereAServerCannotProveItsWeights) {
  Record record;
  std::vector<std::unique_ptr<FakeServer>> servers;
  for (const char* address : {"a", "b"})
    servers.push_back(std::make_unique<FakeServer>(record, address));
  servers[1]->move_failure = input_error("b: it does not do as it says");
  const auto engine = pool_servers(pool_of(std::move(servers)), {}, 4);
  EXPECT_EQ(message_of([&] { engine->move_to(AlphaSchedule(0.5), CancellationToken()); }),
            "b: it does not do as it says");
  EXPECT_TRUE(engine->incidents().empty());
}

}  // namespace
}  // namespace expo
