#include "expo/served/engine/shared_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>

namespace expo {
namespace {

using Part = SharedRows::Part;

/// How often each row was passed on. It has no lock: the sanitizer sees calls that overlap.
struct Count {
  explicit Count(std::size_t rows) : of_row(rows, 0) {}
  void finish(Part& part, std::size_t index) {
    part.finish(index, [&] { ++of_row.at(part.rows()[index]); });
  }
  void finish_all(Part& part) {
    for (std::size_t i = 0; i < part.rows().size(); ++i) finish(part, i);
  }
  std::size_t done() const {
    return static_cast<std::size_t>(std::ranges::count_if(of_row, [](int n) { return n == 1; }));
  }

  std::vector<int> of_row;
};

ErrorCategory category_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.category();
  }
  throw std::logic_error("it did not throw");
}

TEST(SharedRows, GivesEachRowToOneWorker) {
  for (const std::size_t rows : {0, 1, 2, 7, 1000}) {
    for (const std::size_t workers : {1, 2, 5}) {
      for (const std::size_t most : {1, 3, 64}) {
        Count count(rows);
        const auto failures = SharedRows(rows, workers, most)
                                  .run(
                                      [&](std::size_t, Part& part) {
                                        EXPECT_GE(part.rows().size(), 1U);
                                        EXPECT_LE(part.rows().size(), most);
                                        count.finish_all(part);
                                      },
                                      CancellationToken());
        EXPECT_EQ(count.done(), rows);
        EXPECT_EQ(failures.size(), workers);
        for (const auto& failure : failures) EXPECT_FALSE(failure);
      }
    }
  }
}

TEST(SharedRows, KeepsAWorkerFromTakingAllThatIsLeft) {
  std::atomic<std::size_t> largest = 0;
  Count count(8);
  SharedRows(8, 2, 64).run(
      [&](std::size_t, Part& part) {
        largest = std::max(largest.load(), part.rows().size());
        count.finish_all(part);
      },
      CancellationToken());
  EXPECT_LE(largest, 4U);
  EXPECT_EQ(count.done(), 8U);
}

TEST(SharedRows, GivesOthersWhatAWorkerThatFailsHasNotDone) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t rows = 1 + random() % 60;
    const std::size_t workers = 2 + random() % 4;
    const std::size_t survivor = random() % workers;
    std::vector<std::size_t> fails_after(workers);
    for (auto& each : fails_after) each = random() % 8;
    std::vector<std::size_t> finished(workers, 0);
    Count count(rows);
    const auto failures =
        SharedRows(rows, workers, 1 + random() % 9)
            .run(
                [&](std::size_t worker, Part& part) {
                  for (std::size_t i = 0; i < part.rows().size(); ++i) {
                    if (worker != survivor && finished[worker]++ >= fails_after[worker])
                      throw environment_error("gone");
                    count.finish(part, i);
                  }
                },
                CancellationToken());
    EXPECT_EQ(count.done(), rows);
    EXPECT_FALSE(failures[survivor]);
    for (std::size_t worker = 0; worker < workers; ++worker) {
      const bool fails = worker != survivor && finished[worker] > fails_after[worker];
      EXPECT_EQ(failures[worker].has_value(), fails);
    }
  }
}

TEST(SharedRows, ThrowsTheLastFailureIfNoWorkerIsLeft) {
  // The first worker fails only once it has been given a row that the second one had.
  std::atomic<std::size_t> row_of_second = SIZE_MAX;
  Count count(10);
  const auto work = [&](std::size_t worker, Part& part) {
    if (worker == 1) {
      row_of_second = part.rows().front();
      throw environment_error("the second is gone");
    }
    while (row_of_second == SIZE_MAX) std::this_thread::yield();
    if (std::ranges::find(part.rows(), row_of_second.load()) != part.rows().end())
      throw environment_error("the first is gone");
    count.finish_all(part);
  };
  try {
    SharedRows(10, 2, 5).run(work, CancellationToken());
    FAIL() << "it did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment);
    EXPECT_STREQ(error.what(), "the first is gone");
  }
  EXPECT_LT(count.done(), 10U);
}

TEST(SharedRows, StopsAllWorkersAtAFailureOfAnotherKind) {
  Count count(100);
  const auto run = [&] {
    SharedRows(100, 3, 1).run(
        [&](std::size_t worker, Part& part) {
          if (worker == 0) throw input_error("another model");
          while (!part.cancellation().cancelled()) std::this_thread::yield();
          part.cancellation().check();
        },
        CancellationToken());
  };
  EXPECT_EQ(category_of(run), ErrorCategory::input);
  EXPECT_EQ(count.done(), 0U);
}

TEST(SharedRows, DoesNotBlameAWorkerForTheCallersFailure) {
  Count count(100);
  const auto run = [&] {
    SharedRows(100, 2, 4).run(
        [&](std::size_t, Part& part) {
          part.finish(0, [] { throw environment_error("the disk is full"); });
        },
        CancellationToken());
  };
  try {
    run();
    FAIL() << "it did not throw";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the disk is full");
  }
}

TEST(SharedRows, PassesOnWhatIsNoError) {
  EXPECT_THROW(
      SharedRows(3, 2, 1).run([](std::size_t, Part&) { throw std::out_of_range("a mistake"); },
                              CancellationToken()),
      std::out_of_range);
}

TEST(SharedRows, IsInterruptedWithItsWorkers) {
  CancellationToken token;
  Count count(50);
  const auto run = [&] {
    SharedRows(50, 2, 5).run(
        [&](std::size_t, Part& part) {
          count.finish(part, 0);
          token.cancel();
          while (!part.cancellation().cancelled()) std::this_thread::yield();
          part.cancellation().check();
        },
        token);
  };
  EXPECT_EQ(category_of(run), ErrorCategory::interrupted);
  EXPECT_GE(count.done(), 1U);
  EXPECT_LE(count.done(), 2U);
}

}  // namespace
}  // namespace expo
