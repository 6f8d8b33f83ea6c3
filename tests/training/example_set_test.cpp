// What becomes of rows: which tokens count, what is cut and what is left out.
#include "expo/training/data/example_set.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Words w0 to w99 are the ids 0 to 99; <user>, <assistant> and <end> follow.
ChatTokenizer tokenizer() {
  Json vocabulary = Json::object();
  for (int i = 0; i < 100; ++i) vocabulary["w" + std::to_string(i)] = i;
  int next = 100;
  for (const char* token : {"<user>", "<assistant>", "<end>"}) vocabulary[token] = next++;
  const Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "w0"}}}};
  const std::string text = json.dump();
  const TextFile file{"tokenizer.json", [text] { return text; }};
  ChatTokenizer made = ChatTokenizer::from_files({&file, 1}, "test");
  made.set_template(
      "{% for m in messages %}<{{ m.role }}> {{ m.content }} <end> {% endfor %}"
      "{% if add_generation_prompt %}<assistant> {% endif %}",
      "test");
  return made;
}

class Rows final : public RowReader {
 public:
  explicit Rows(std::vector<Json> rows) : rows_(std::move(rows)) {}
  bool next(Json& row) override {
    if (next_ == rows_.size()) return false;
    row = rows_[next_++];
    return true;
  }
  std::string place() const override { return "rows:" + std::to_string(next_); }

 private:
  std::vector<Json> rows_;
  std::size_t next_ = 0;
};

RowSource source(const std::vector<Json>& rows) {
  return [rows] { return std::make_unique<Rows>(rows); };
}

Json pair(const char* prompt, const char* chosen, const char* rejected) {
  return {{"prompt", prompt}, {"chosen", chosen}, {"rejected", rejected}};
}

ExampleOptions lengths(std::int64_t longest, std::int64_t prompt) {
  ExampleOptions options;
  options.max_length = longest;
  options.max_prompt_length = prompt;
  return options;
}

using Ids = std::vector<TokenId>;

Ids ids_of(const TokenRow& row) {
  return {row.ids.begin(), row.ids.end()};
}

/// The ids that count.
Ids counted(const TokenRow& row) {
  Ids ids;
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    if (row.counts[i]) ids.push_back(row.ids[i]);
  }
  return ids;
}

TEST(ReadPairs, CountsTheAnswersTokens) {
  const auto set = read_pairs(source({pair("w1 w2", "w3", "w4 w5")}), tokenizer(), lengths(100, 50),
                              CancellationToken());
  const Example& example = set.examples.at(0);
  EXPECT_EQ(ids_of(example.rows.at(0)), (Ids{100, 1, 2, 102, 101, 3, 102}));
  EXPECT_EQ(counted(example.rows.at(0)), (Ids{3, 102}));
  EXPECT_EQ(counted(example.rows.at(1)), (Ids{4, 5, 102}));
  EXPECT_EQ(example.place, "rows:1");
}

TEST(ReadPairs, CutsThePromptFromTheLeftAndTheAnswersFromTheRight) {
  // <user> w1 w2 w3 w4 <end> <assistant>, then the answers and <end>.
  const auto set = read_pairs(source({pair("w1 w2 w3 w4", "w5 w6 w7 w8", "w9")}), tokenizer(),
                              lengths(6, 3), CancellationToken());
  EXPECT_EQ(ids_of(set.examples.at(0).rows.at(0)), (Ids{4, 102, 101, 5, 6, 7}));
  EXPECT_EQ(counted(set.examples.at(0).rows.at(0)), (Ids{5, 6, 7}));
  EXPECT_EQ(ids_of(set.examples.at(0).rows.at(1)), (Ids{4, 102, 101, 9, 102}));
  EXPECT_EQ(set.counts.prompts_cut, 1);
  EXPECT_EQ(set.counts.answers_cut, 1);
}

TEST(ReadPairs, LeavesAPromptAloneThatIsNotTooLong) {
  const auto set = read_pairs(source({pair("w1", "w5 w6 w7 w8", "w9")}), tokenizer(), lengths(6, 5),
                              CancellationToken());
  EXPECT_EQ(ids_of(set.examples.at(0).rows.at(0)), (Ids{100, 1, 102, 101, 5, 6}));
  EXPECT_EQ(set.counts.prompts_cut, 0);
}

TEST(ReadPairs, LeavesOutPairsThatTeachNothing) {
  const std::vector<Json> rows = {pair("w1", "w2", "w2"), pair("w1", "w2 w3 w4", "w2 w3 w5"),
                                  pair("w1", "w2", "w3")};
  // Cut to six tokens the second pair's answers are the same.
  const auto set = read_pairs(source(rows), tokenizer(), lengths(6, 5), CancellationToken());
  EXPECT_EQ(set.counts.same_answers, 2);
  EXPECT_EQ(set.counts.examples, 1);
  EXPECT_NE(set.warnings.at(1).find("rows:1, rows:2"), std::string::npos) << set.warnings.at(1);
}

TEST(ReadPairs, RefusesToTrainOnNothing) {
  EXPECT_THROW(
      read_pairs(source({pair("w1", "w2", "w2")}), tokenizer(), lengths(9, 5), CancellationToken()),
      Error);
  EXPECT_THROW(read_pairs(source({}), tokenizer(), lengths(9, 5), CancellationToken()), Error);
}

TEST(ReadRewardPairs, LeavesOutWhatIsTooLong) {
  const std::vector<Json> rows = {pair("w1", "w2 w3 w4", "w2"), pair("w1", "w2", "w3")};
  const auto set = read_reward_pairs(source(rows), tokenizer(), lengths(6, 5), CancellationToken());
  EXPECT_EQ(set.counts.too_long, 1);
  EXPECT_EQ(ids_of(set.examples.at(0).rows.at(0)), (Ids{100, 1, 102, 101, 2, 102}));
}

TEST(ReadConversations, CountsEveryTurnOfTheAssistant) {
  const Json turns = {{{"role", "user"}, {"content", "w1"}},
                      {{"role", "assistant"}, {"content", "w2 w3"}},
                      {{"role", "user"}, {"content", "w4"}},
                      {{"role", "assistant"}, {"content", "w5"}}};
  const auto set = read_conversations(source({Json{{"messages", turns}}}), tokenizer(),
                                      lengths(100, 50), CancellationToken());
  EXPECT_EQ(counted(set.examples.at(0).rows.at(0)), (Ids{2, 3, 102, 5, 102}));
}

TEST(ReadConversations, LeavesOutWhatIsCutBeforeAnAnswer) {
  const std::vector<Json> rows = {{{"prompt", "w1 w2 w3 w4"}, {"completion", "w5"}},
                                  {{"prompt", "w1"}, {"completion", "w5 w6 w7"}}};
  const auto set =
      read_conversations(source(rows), tokenizer(), lengths(6, 5), CancellationToken());
  EXPECT_EQ(set.counts.without_answer, 1);
  EXPECT_EQ(set.counts.answers_cut, 2);
  EXPECT_EQ(counted(set.examples.at(0).rows.at(0)), (Ids{5, 6}));
}

TEST(ReadPairs, TakesNestedFractions) {
  std::vector<Json> rows;
  for (int i = 0; i < 40; ++i)
    rows.push_back(pair(("w" + std::to_string(i)).c_str(), "w50", "w51"));
  const auto places = [&](double fraction) {
    ExampleOptions options = lengths(100, 50);
    options.fraction = fraction;
    options.seed = 3;
    std::vector<std::string> found;
    for (const Example& example :
         read_pairs(source(rows), tokenizer(), options, CancellationToken()).examples)
      found.push_back(example.place);
    return found;
  };
  const auto tenth = places(0.1);
  const auto fifth = places(0.2);
  EXPECT_EQ(tenth.size(), 4U);
  EXPECT_EQ(fifth.size(), 8U);
  for (const std::string& place : tenth) EXPECT_EQ(std::ranges::count(fifth, place), 1) << place;
}

}  // namespace
}  // namespace expo
