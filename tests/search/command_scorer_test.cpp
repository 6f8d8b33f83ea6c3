#include "expo/search/live/command_scorer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "expo/core/error.h"
#include "search/fake_engine.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

using std::chrono::milliseconds;

bool is_running(int process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/stat");
  std::string number, name, state = "X";
  status >> number >> name >> state;
  return state != "X" && state != "Z";
}

/// Answers to prompts p0, p1, … whose texts are given.
class CommandScorerTest : public testing::Test {
 protected:
  ~CommandScorerTest() override {
    // Nothing that a test has started is left, neither running nor as a zombie.
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  std::vector<ScorableAnswer> answers(std::size_t count) {
    prompts_ = fake_prompts(count);
    texts_.clear();
    for (std::size_t i = 0; i < count; ++i) texts_.push_back("answer " + std::to_string(i));
    return of_texts();
  }

  std::vector<ScorableAnswer> of_texts() const { return scorable(prompts_, texts_); }

  std::vector<double> score(const std::string& command, const std::vector<ScorableAnswer>& all) {
    return scores_of(*command_scorer(posix_filesystem(), command, options_), all, token_);
  }

  /// The message with which scoring some answers fails.
  std::string failure(const std::string& command, ErrorCategory category, std::size_t count = 3) {
    const auto all = answers(count);
    try {
      score(command, all);
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category) << error.what();
      return error.what();
    }
    return "nothing failed";
  }

  std::string environment_failure(const std::string& command, std::size_t count = 3) {
    return failure(command, ErrorCategory::environment, count);
  }
  std::string input_failure(const std::string& command, std::size_t count = 3) {
    return failure(command, ErrorCategory::input, count);
  }

  std::string python(const std::string& name, const std::string& program) {
    folder_.write(name, program);
    return std::string(EXPO_PYTHON) + " " + (folder_ / name).string();
  }

  CommandScorerOptions options_;
  std::vector<Prompt> prompts_;
  std::vector<std::string> texts_;
  CancellationToken token_;
  TemporaryFolder folder_;
};

TEST_F(CommandScorerTest, TakesOneNumberForEachLine) {
  const auto all = answers(5);
  EXPECT_EQ(score("for i in 0 1.5 ' -2e3 ' +4 0x; do read line; echo \"$i\"; done; cat",
                  std::vector(all.begin(), all.begin() + 4)),
            (std::vector<double>{0, 1.5, -2000, 4}));
}

TEST_F(CommandScorerTest, GivesPromptAnswerAndTheOtherColumns) {
  const std::string command = python("columns.py", R"(
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    assert list(row)[:2] == ["prompt", "answer"] and set(row) == {"prompt", "answer", "level", "messages"}, row
    assert row["prompt"] == "question p%d" % row["level"] and row["answer"] == "naïve \n \"answer\" %d" % row["level"], row
    assert row["messages"] == [{"role": "user", "content": row["prompt"]}], row
    print(row["level"] * 10)  # without flush
)");
  answers(3);
  for (std::size_t i = 0; i < 3; ++i) texts_[i] = "naïve \n \"answer\" " + std::to_string(i);
  EXPECT_EQ(score(command, of_texts()), (std::vector<double>{0, 10, 20}));
}

TEST_F(CommandScorerTest, KeepsTheProgramRunning) {
  const auto scorer =
      command_scorer(posix_filesystem(), "i=0; while read -r line; do i=$((i+1)); echo $i; done",
                     {.batch_size = 2});
  EXPECT_EQ(scores_of(*scorer, answers(5), token_), (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(scores_of(*scorer, answers(1), token_), (std::vector<double>{6}));
}

TEST_F(CommandScorerTest, NeitherSideWaitsForTheOther) {
  // Far more than pipes hold, in all three directions, and output only after much input.
  const std::string command = python("slow.py", R"(
import sys
held = []
def give():
    for line in held:
        sys.stderr.write("x" * 5000 + "\n")
        print(" " * 3000, len(line))
    held.clear()
for number, line in enumerate(sys.stdin):
    held.append(line)
    if number % 50 == 49: give()
)");
  answers(100);
  for (std::string& text : texts_) text.assign(20'000, 'y');
  options_.batch_size = 100;
  for (const double length : score(command, of_texts())) EXPECT_GT(length, 20'000);
}

TEST_F(CommandScorerTest, NamesTheAnswerAtWhichTheProgramEnded) {
  const std::string message = environment_failure(
      "read a; echo 1; read b; printf 'first %s' words >&2; echo >&2; echo 'no such module' >&2; "
      "exit 3");
  EXPECT_TRUE(contains(message, "dev.jsonl:2, sample 0")) << message;
  EXPECT_TRUE(contains(message, "exit status 3")) << message;
  EXPECT_TRUE(contains(message, "its last message is: no such module")) << message;
  EXPECT_FALSE(contains(message, "first words")) << message;
}

TEST_F(CommandScorerTest, NamesTheSignalThatEndedTheProgram) {
  const std::string message = environment_failure("read a; kill -9 $$");
  EXPECT_TRUE(contains(message, "dev.jsonl:1")) << message;
  EXPECT_TRUE(contains(message, "signal 9")) << message;
}

TEST_F(CommandScorerTest, SaysThatAProgramIsMissing) {
  const std::string message = environment_failure("no-such-program --fast");
  EXPECT_TRUE(contains(message, "exit status 127")) << message;
  EXPECT_TRUE(contains(message, "not found")) << message;
}

TEST_F(CommandScorerTest, RefusesTooFewLines) {
  const std::string message = environment_failure("read a; echo 1; echo 2; cat >/dev/null & wait");
  EXPECT_TRUE(contains(message, "dev.jsonl:3")) << message;
  EXPECT_TRUE(contains(message, "exit status 0")) << message;
}

TEST_F(CommandScorerTest, DoesNotTakeALineThatIsTorn) {
  const std::string message = environment_failure("read a; printf '1\\n0.2'");
  EXPECT_TRUE(contains(message, "dev.jsonl:2")) << message;
}

TEST_F(CommandScorerTest, SurvivesWritingToAProgramThatDoesNotRead) {
  answers(3);
  for (std::string& text : texts_) text.assign(300'000, 'y');
  EXPECT_THROW(score("exec <&-; echo 1; exit 4", of_texts()), Error);
}

TEST_F(CommandScorerTest, RefusesTooManyLines) {
  const std::string message = input_failure("while read -r a; do printf '1\\n2\\n'; done");
  EXPECT_TRUE(contains(message, "more lines than it was given")) << message;
}

TEST_F(CommandScorerTest, FindsTooManyLinesAlsoWhenTheyComeLater) {
  const auto scorer =
      command_scorer(posix_filesystem(), "while read -r a; do echo 1; echo 2; done", options_);
  const auto one = answers(1);
  try {  // Usually at the first answer, but it is chance when a line arrives.
    for (int i = 0; i < 50; ++i) scores_of(*scorer, one, token_);
    ADD_FAILURE() << "nothing failed";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "dev.jsonl:1")) << error.what();
    EXPECT_TRUE(contains(error.what(), "more lines")) << error.what();
  }
}

TEST_F(CommandScorerTest, DoubtsAllScoresOnceALineTooManyShows) {
  // The surplus line comes long after the first batch is done, and takes the place of a score.
  const auto scorer = command_scorer(
      posix_filesystem(),
      "read a; echo 1; read b; echo 7; echo 2; while read -r c; do echo 3; done", options_);
  scores_of(*scorer, answers(1), token_);
  EXPECT_FALSE(scorer->is_doubtful());
  try {
    for (int i = 0; i < 50; ++i) scores_of(*scorer, answers(1), token_);
    ADD_FAILURE() << "nothing failed";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "none of them is kept")) << error.what();
  }
  EXPECT_TRUE(scorer->is_doubtful());
}

TEST_F(CommandScorerTest, FindsASurplusNumberWhenTheProgramEnds) {
  const auto scorer = command_scorer(
      posix_filesystem(), "while read -r a; do echo 1; done; echo bye; echo 2; cat", options_);
  scores_of(*scorer, answers(3), token_);
  try {
    scorer->finish();
    ADD_FAILURE() << "nothing failed";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_TRUE(contains(error.what(), "more numbers than it was given answers")) << error.what();
    EXPECT_TRUE(contains(error.what(), "\"2\"")) << error.what();
  }
  EXPECT_TRUE(scorer->is_doubtful());
  // A program that is started anew is trusted anew, and words at its end are no numbers.
  const auto other = command_scorer(
      posix_filesystem(), "while read -r a; do echo 1; done; echo 3 answers scored", options_);
  scores_of(*other, answers(3), token_);
  other->finish();
  EXPECT_FALSE(other->is_doubtful());
}

TEST_F(CommandScorerTest, RefusesWhatIsNoFiniteNumber) {
  for (const char* word :
       {"NaN", "inf", "-Infinity", "1e999", "true", "0.5 ok", "{}", "", "0x10"}) {
    const std::string message =
        input_failure("read a; echo 1; read b; echo '" + std::string(word) + "'; cat > /dev/null");
    EXPECT_TRUE(contains(message, "dev.jsonl:2")) << message;
    EXPECT_TRUE(contains(message, "\"" + std::string(word) + "\"")) << message;
  }
}

TEST_F(CommandScorerTest, RefusesALineWithoutEnd) {
  const std::string message = input_failure("read a; tr '\\n' ' ' < /dev/zero");
  EXPECT_TRUE(contains(message, "65536 bytes")) << message;
}

TEST_F(CommandScorerTest, EndsAProgramThatStalls) {
  options_.timeout = milliseconds(100);
  const std::string message = environment_failure("trap '' TERM; read a; echo 1; cat > /dev/null");
  EXPECT_TRUE(contains(message, "dev.jsonl:2")) << message;
  EXPECT_TRUE(contains(message, "for 0.1 s")) << message;
}

TEST_F(CommandScorerTest, EndsWhatTheProgramHasStarted) {
  // The sleeper holds the program's output open after it.
  options_.timeout = milliseconds(60'000);
  const std::string file = (folder_ / "pid").string();
  environment_failure("sleep 1000 & echo $! > " + file + "; read a; exit 1");
  const int sleeper = std::stoi(posix_filesystem().read_text(file));
  // It was killed; when it is gone, and who reaps it, is up to the system.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (is_running(sleeper) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_FALSE(is_running(sleeper));
}

TEST_F(CommandScorerTest, KillsAProgramThatDoesNotEndWithItsInput) {
  options_.farewell = milliseconds(20);
  EXPECT_EQ(score("trap '' TERM INT HUP; read a; echo 7; while :; do sleep 1000; done", answers(1)),
            std::vector<double>{7});
}

TEST_F(CommandScorerTest, LetsAProgramFinish) {
  const std::string file = (folder_ / "finished").string();
  score("while read -r a; do echo 1; done; echo done > " + file, answers(2));
  EXPECT_EQ(posix_filesystem().read_text(file), "done\n");
}

TEST_F(CommandScorerTest, StopsOnceCancelled) {
  const auto all = answers(2);
  std::thread other([&] { token_.cancel(); });
  try {
    score("cat > /dev/null", all);
    ADD_FAILURE() << "nothing was interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::interrupted);
  }
  other.join();
}

TEST_F(CommandScorerTest, PassesScoresOnBatchByBatch) {
  options_.batch_size = 2;
  const auto scorer = command_scorer(posix_filesystem(),
                                     "for i in 1 2 3; do read a; echo $i; done; exit 1", options_);
  std::vector<double> passed;
  EXPECT_THROW(scorer->score(
                   answers(5), [&](std::size_t, double score) { passed.push_back(score); }, token_),
               Error);
  EXPECT_EQ(passed, (std::vector<double>{1, 2}));
  // The next call starts the program anew.
  EXPECT_EQ(scores_of(*scorer, answers(2), token_), (std::vector<double>{1, 2}));
}

TEST_F(CommandScorerTest, InheritsNoFiles) {
  const auto file = folder_ / "open";
  folder_.write("open", "");
  const int open = ::open(file.c_str(), O_RDONLY);  // without O_CLOEXEC
  ASSERT_GT(open, 2);
  const std::string command = "read a; ls /proc/self/fd | wc -l; cat > /dev/null";
  const double descriptors = score(command, answers(1))[0];
  ::close(open);
  EXPECT_EQ(descriptors, 4);  // three, and ls's own for the folder
}

TEST_F(CommandScorerTest, ItsIdentityFollowsTheScript) {
  const std::string command = "sh '" + (folder_ / "score.sh").string() + "' --level 3";
  const auto identity = [&] { return command_scorer(posix_filesystem(), command)->identity(); };
  folder_.write("score.sh", "echo 1");
  const Json first = identity();
  EXPECT_EQ(identity(), first);
  folder_.write("score.sh", "echo 2");
  EXPECT_NE(identity(), first);
}

TEST_F(CommandScorerTest, RefusesRowsWithAnAnswerOfTheirOwn) {
  const auto scorer = command_scorer(posix_filesystem(), "cat");
  auto prompts = fake_prompts(2);
  scorer->check(prompts);
  prompts[1].row["answer"] = "42";
  try {
    scorer->check(prompts);
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "dev.jsonl:2: the row already has a column answer"))
        << error.what();
  }
  EXPECT_THROW(command_scorer(posix_filesystem(), " \t"), Error);
}

TEST_F(CommandScorerTest, RefusesAColumnThatThePromptWouldHide) {
  const auto scorer = command_scorer(posix_filesystem(), "cat");
  auto prompts = fake_prompts(3);
  prompts[0].row["prompt"] = nullptr;
  prompts[1].row["prompt"] = Json::array({{{"role", "user"}, {"content", "question p1"}},
                                          {{"role", "assistant"}, {"content", "yes"}}});
  prompts[2].row.erase("prompt");
  scorer->check(prompts);
  for (const Json& own : {Json("template 7"), Json(7), Json::array({"question p2"})}) {
    prompts[2].row["prompt"] = own;
    try {
      scorer->check(prompts);
      ADD_FAILURE() << own << " was not refused";
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), "dev.jsonl:3: the row has a column prompt that is not"))
          << error.what();
    }
  }
}

}  // namespace
}  // namespace expo
