#include "expo/search/run/search_data.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

/// Counts the letters of all turns as tokens, and has a small context.
class LetterCounter final : public Engine {
 public:
  explicit LetterCounter(std::size_t context) : context_(context) {}
  EngineDescription describe() const override {
    EngineDescription result;
    result.name = "counter";
    result.context = context_;
    return result;
  }
  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    std::vector<std::size_t> counts;
    for (const Conversation& one : conversations) {
      counts.push_back(0);
      for (const Json& message : one.chat.messages) counts.back() += content_text(message).size();
    }
    return counts;
  }
  std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered) override {
    return count_tokens(answered);
  }

 private:
  std::size_t context_;
};

class SearchDataTest : public testing::Test {
 protected:
  SearchData prompts(const std::vector<Json>& rows) {
    return read_search_prompts(*reader(rows), {}, options_);
  }
  SearchData pairs(const std::vector<Json>& rows) {
    SearchData data = read_search_pairs(*reader(rows), {});
    take_fitting(data, engines_, options_);
    return data;
  }
  template <typename Function>
  static std::string error_of(Function&& function) {
    try {
      function();
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }

  std::unique_ptr<RowReader> reader(const std::vector<Json>& rows) {
    std::string text;
    for (const Json& row : rows) text += compact_json(row) + "\n";
    disk_.write_text("/dev.jsonl", text);
    return open_rows(disk_, "/dev.jsonl", std::nullopt);
  }

  /// `count` pairs with prompts of 9 letters and answers of 4.
  static std::vector<Json> pair_rows(std::size_t count) {
    std::vector<Json> rows;
    for (std::size_t i = 0; i < count; ++i) {
      rows.push_back({{"prompt", "prompt " + std::to_string(10 + i)},
                      {"chosen", "good"},
                      {"rejected", "evil"}});
    }
    return rows;
  }

  MemoryFilesystem disk_;
  LetterCounter engine_{20};
  LetterCounter small_{12};
  std::vector<Engine*> engines_{&engine_};
  SearchDataOptions options_{"dev.jsonl", "", false};
};

TEST_F(SearchDataTest, RefusesPromptsThatTheSystemTurnMakesEqual) {
  const Json system = {{"role", "system"}, {"content", "be brief"}};
  const Json user = {{"role", "user"}, {"content", "a question"}};
  const std::vector<Json> rows{{{"id", "a"}, {"messages", {user}}},
                               {{"id", "b"}, {"messages", {system, user}}}};
  EXPECT_EQ(error_of([&] { prompts(rows); }), "");
  options_.system = "be brief";
  EXPECT_TRUE(contains(error_of([&] { prompts(rows); }), "repeats the prompt of"));
  options_.system = "be polite";
  EXPECT_EQ(error_of([&] { prompts(rows); }), "");
}

TEST_F(SearchDataTest, RefusesTheSamePromptInTwoShapes) {
  const Json part = {{"type", "text"}, {"text", "a question"}};
  const Json user = {{"role", "user"}, {"content", {part}}};
  EXPECT_TRUE(contains(
      error_of([&] {
        prompts({{{"id", "a"}, {"messages", {{{"role", "user"}, {"content", "a question"}}}}},
                 {{"id", "b"}, {"messages", {user}}}});
      }),
      "repeats the prompt of"));
}

TEST_F(SearchDataTest, NamesAPairThatDoesNotFitBeforeTheSearch) {
  std::vector<Json> rows = pair_rows(60);
  rows[3]["rejected"] = "much too long an answer";
  const std::string message = error_of([&] { pairs(rows); });
  EXPECT_TRUE(contains(message, "dev.jsonl:4: the conversation has 32 tokens")) << message;
  EXPECT_TRUE(contains(message, "--skip-too-long")) << message;
}

TEST_F(SearchDataTest, LeavesPairsOutThatDoNotFit) {
  std::vector<Json> rows = pair_rows(60);
  const SearchData all = pairs(rows);
  rows[3]["rejected"] = "much too long an answer";
  rows[7]["chosen"] = "much too long an answer";
  rows[7]["rejected"] = "much too long an answer";
  options_.skip_too_long = true;
  const SearchData data = pairs(rows);
  ASSERT_EQ(data.pairs.size(), 58U);
  EXPECT_EQ(data.pairs[3].prompt.messages, user_turn("prompt 14"));
  ASSERT_EQ(data.warnings.size(), 1U);
  EXPECT_TRUE(contains(data.warnings[0], "2 rows do not fit")) << data.warnings[0];
  EXPECT_NE(data.digest, all.digest);
  // The others stay in their parts.
  const auto texts = [](const SearchData& of, const std::vector<std::size_t>& part) {
    std::vector<std::string> result;
    for (const std::size_t i : part) result.push_back(content_text(of.pairs[i].prompt.messages[0]));
    return result;
  };
  auto choosing = texts(all, all.split.choosing);
  std::erase(choosing, "prompt 13");
  std::erase(choosing, "prompt 17");
  EXPECT_EQ(texts(data, data.split.choosing), choosing);
}

TEST_F(SearchDataTest, APairHasToFitAllEngines) {
  engines_.push_back(&small_);
  EXPECT_TRUE(contains(error_of([&] { pairs(pair_rows(60)); }), "context holds 12"));
}

TEST_F(SearchDataTest, TheFirstOfSeveralPairsWithOnePromptCounts) {
  std::vector<Json> rows = pair_rows(60);
  rows.push_back(rows[0]);
  rows.back()["chosen"] = "fine";
  const SearchData data = pairs(rows);
  EXPECT_EQ(data.pairs.size(), 60U);
  EXPECT_EQ(content_text(data.pairs[0].chosen), "good");
  ASSERT_EQ(data.warnings.size(), 1U);
  EXPECT_TRUE(contains(data.warnings[0], "1 pair left out"));
}

}  // namespace
}  // namespace expo
