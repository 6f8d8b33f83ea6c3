// What an interrupted computation of the reference's log-probabilities leaves, and what the next
// one makes of it.
#include "expo/training/run/reference_log_probs.h"

#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <random>
#include <string>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::int64_t kTokens = 100;
constexpr std::size_t kPairs = 40;

std::vector<Example> some_pairs() {
  std::mt19937 draw(7);
  std::vector<Example> pairs;
  for (std::size_t i = 0; i < kPairs; ++i) {
    Example pair;
    for (int side = 0; side < 2; ++side) {
      const std::size_t length = 1 + draw() % 30;
      pair.rows.push_back(
          token_row(std::vector<TokenId>(length, 1), std::vector<bool>(length, true)));
    }
    pair.place = "pairs:" + std::to_string(i);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

/// What stands for the model: other numbers for every pair.
double log_prob(const Example& pair, int side) {
  return -0.1 * std::stod(pair.place.substr(6)) - side - 0.25;
}

class References : public testing::Test {
 protected:
  /// One run; `disturb` is told of each batch before it is computed: its number, from 0.
  ReferenceCounts fill(const std::function<void(std::size_t)>& disturb = [](std::size_t) {}) {
    computed_.clear();
    notes_.clear();
    pairs_ = some_pairs();
    bool checked = resumed_ == 0;  // what is kept is checked by one pair first
    ReferencePass pass;
    pass.folder = "/cache";
    pass.key = {"model", "data"};
    pass.tokens_per_batch = kTokens;
    pass.on_note = [&](const std::string& note) { notes_.push_back(note); };
    pass.compute = [&](std::span<const Example> batch) {
      std::vector<double> values;
      for (const Example& pair : batch) {
        values.push_back(log_prob(pair, 0));
        values.push_back(log_prob(pair, 1));
      }
      if (!std::exchange(checked, true)) return values;
      disturb(computed_.size());
      computed_.push_back(batch);
      return values;
    };
    const auto ranks = single_rank();
    return fill_references(memory_, pass, pairs_, *ranks, cancellation_);
  }

  /// A run that ends in its batch of that number; returns how many pairs were computed before.
  template <typename Failure>
  std::size_t fail_in(std::size_t number, const Failure& failure, ErrorCategory category) {
    std::size_t before = 0;
    try {
      fill([&](std::size_t batch) {
        if (batch != number) return;
        for (const auto& done : computed_) before += done.size();
        failure();
      });
      ADD_FAILURE() << "the run was not stopped";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category);
      message_ = error.what();
    }
    return before;
  }

  void expect_values() const {
    for (const Example& pair : pairs_)
      EXPECT_EQ(pair.reference, (std::array<double, 2>{log_prob(pair, 0), log_prob(pair, 1)}));
  }

  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> result;
    for (const std::string& name : memory_.list("/cache"))
      result[name] = memory_.read_text("/cache/" + name);
    return result;
  }

  MemoryFilesystem memory_;
  CancellationToken cancellation_;
  std::vector<Example> pairs_;
  std::vector<std::span<const Example>> computed_;  ///< the batches of the last run
  std::vector<std::string> notes_;
  std::string message_;
  std::size_t resumed_ = 0;  ///< pairs that are kept
};

TEST_F(References, AreComputedInBatchesThatFillAPass) {
  const ReferenceCounts counts = fill();
  EXPECT_EQ(counts.kept, 0U);
  EXPECT_EQ(counts.computed, kPairs);
  expect_values();
  const Example* next = pairs_.data();
  for (const auto& batch : computed_) {
    EXPECT_EQ(batch.data(), next);
    std::int64_t tokens = 0;
    for (const Example& pair : batch) tokens += pair.tokens();
    EXPECT_LE(tokens, kTokens);
    next += batch.size();
    if (next != pairs_.data() + kPairs) {
      EXPECT_GT(tokens + next->tokens(), kTokens);
    }
  }
  EXPECT_EQ(notes_.front(), "the reference's log-probabilities of 40 pairs");
  EXPECT_EQ(notes_.at(1), "… " + std::to_string(computed_[0].size()) + " of 40 pairs are kept");
}

TEST_F(References, AreKeptFromTheFirstBatchOnWhereverTheyAreInterrupted) {
  fill();
  const auto expected = files();
  ASSERT_EQ(expected.size(), 1U);
  const std::size_t batches = computed_.size();
  ASSERT_GT(batches, 8U);
  for (std::size_t number = 1; number < batches; ++number) {
    memory_.remove("/cache");
    const std::size_t before = fail_in(
        number, [] { throw interrupted_error("interrupted"); }, ErrorCategory::interrupted);
    ASSERT_GT(before, 0U);
    EXPECT_NE(message_.find(std::to_string(before) + " of 40 pairs are kept"), std::string::npos)
        << message_;
    resumed_ = before;
    const ReferenceCounts counts = fill();
    EXPECT_EQ(counts.kept, before);
    EXPECT_EQ(counts.computed, kPairs - before);
    EXPECT_EQ(computed_.size(), batches - number);
    EXPECT_EQ(notes_.front(), "the reference's log-probabilities of 40 pairs, of which " +
                                  std::to_string(before) + " are kept from before");
    expect_values();
    EXPECT_EQ(files(), expected);
    resumed_ = 0;
  }
}

TEST_F(References, SayThatNothingIsKeptWhereNothingWasComputed) {
  fail_in(
      0, [] { throw interrupted_error("interrupted"); }, ErrorCategory::interrupted);
  EXPECT_EQ(message_,
            "interrupted before the first of the reference's log-probabilities was computed");
  EXPECT_FALSE(memory_.exists("/cache"));
}

/// One run after the other, each of which computes three batches.
TEST_F(References, AreKeptOverManyInterruptions) {
  fill();
  const auto expected = files();
  memory_.remove("/cache");
  for (;;) {
    std::size_t before = kPairs;
    try {
      fill([&](std::size_t batch) {
        if (batch == 3) throw interrupted_error("interrupted");
      });
    } catch (const Error&) {
      before = resumed_;
      for (const auto& batch : computed_) before += batch.size();
      ASSERT_GT(before, resumed_);
    }
    resumed_ = before;
    if (before == kPairs) break;
  }
  expect_values();
  EXPECT_EQ(files(), expected);
}

/// Another rank may have seen the interruption first: what this one sees is that it is gone.
TEST_F(References, TellAnInterruptionFromARankThatIsGone) {
  const std::size_t before = fail_in(
      3,
      [&] {
        cancellation_.cancel();
        throw environment_error("another rank cannot be reached");
      },
      ErrorCategory::interrupted);
  EXPECT_NE(message_.find(std::to_string(before) + " of 40 pairs are kept"), std::string::npos);
}

TEST_F(References, AreKeptWhereSomethingFails) {
  const std::size_t before = fail_in(
      4, [] { throw environment_error("out of memory"); }, ErrorCategory::environment);
  EXPECT_EQ(message_, "out of memory");
  resumed_ = before;
  EXPECT_EQ(fill().kept, before);
  memory_.remove("/cache");
  resumed_ = 0;
  EXPECT_THROW(fill([](std::size_t batch) {
                 if (batch == 2) throw std::bad_alloc();
               }),
               std::bad_alloc);
  resumed_ = computed_[0].size() + computed_[1].size();
  EXPECT_EQ(fill().kept, resumed_);
}

}  // namespace
}  // namespace expo
