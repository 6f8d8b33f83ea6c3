#include "expo/search/live/command_files.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/live/command_scorer.h"
#include "support/contains.h"

namespace expo {
namespace {

using Paths = std::vector<std::filesystem::path>;

/// Files of a machine with a home, and the variable HERE.
class CommandFilesTest : public testing::Test {
 protected:
  CommandFilesTest() {
    ::setenv("HOME", "/users/me", 1);
    ::setenv("HERE", "/srv/checks", 1);
    ::setenv("SPACED", "/srv/my checks", 1);
    for (const char* file :
         {"/users/me/check.py", "/srv/checks/check.py", "/srv/my checks/check.py",
          "/srv/checks/rules.json", "/srv/checks/log.txt", "/srv/checks/grade/__init__.py",
          "/srv/checks/grade/__main__.py", "/srv/checks/one.py", "/usr/bin/python3.11"})
      write(file, "x");
  }

  void write(const std::filesystem::path& file, const std::string& text) {
    disk_.create_directory(file.parent_path());
    disk_.write_text(file, text);
  }

  Paths files(const std::string& command) { return files_of_command(disk_, command); }

  MemoryFilesystem disk_;
};

TEST_F(CommandFilesTest, AreFoundBehindTheShellsWords) {
  const Paths here{"/srv/checks/check.py"};
  const Paths spaced{"/srv/my checks/check.py"};
  EXPECT_EQ(files("python3 /srv/checks/check.py --fast"), here);
  EXPECT_EQ(files("python3 ~/check.py"), Paths{"/users/me/check.py"});
  EXPECT_EQ(files("python3 $HERE/check.py|cat"), here);
  EXPECT_EQ(files("python3 ${HERE}/check.py;"), here);
  EXPECT_EQ(files("python3 \"$HERE/check.py\""), here);
  EXPECT_EQ(files("python3 '/srv/my checks/check.py'"), spaced);
  EXPECT_EQ(files("python3 \"/srv/my checks\"/check.py"), spaced);
  EXPECT_EQ(files("python3 /srv/my\\ checks/check.py"), spaced);
  EXPECT_EQ(files("python3 \"$SPACED/check.py\""), spaced);
  EXPECT_EQ(files("cd /srv/checks && python3 check.py"), here);
  EXPECT_EQ(files("cd /srv; cd 'checks' && exec python3 check.py < rules.json"),
            (Paths{"/srv/checks/check.py", "/srv/checks/rules.json"}));
  EXPECT_EQ(files("DIR=/srv/checks; python3 $DIR/check.py"), here);
  EXPECT_EQ(files("export DIR=/srv/checks && python3 $DIR/check.py"), here);
  EXPECT_EQ(files("RULES=/srv/checks/rules.json python3 /srv/checks/check.py"),
            (Paths{"/srv/checks/rules.json", "/srv/checks/check.py"}));
  EXPECT_EQ(files("x --rules=/srv/checks/rules.json"), Paths{"/srv/checks/rules.json"});
  EXPECT_EQ(files("cd $HERE && python3 -m grade"),
            (Paths{"/srv/checks/grade/__init__.py", "/srv/checks/grade/__main__.py"}));
  EXPECT_EQ(files("cd $HERE && python3 -m one"), Paths{"/srv/checks/one.py"});
  EXPECT_EQ(files("(cd /srv/checks && true); python3 check.py"), Paths{});
}

TEST_F(CommandFilesTest, AreNotGuessed) {
  for (const char* command :
       {"python3 '$HERE/check.py'", "python3 \\$HERE/check.py", "python3 $SPACED/check.py",
        "python3 $(echo /srv/checks)/check.py", "python3 `echo /srv/checks/check.py`",
        "python3 /srv/checks/chec?.py", "python3 ${HERE:-x}/check.py", "python3 '~/check.py'",
        "cd $(pwd) && python3 check.py", "cd /srv/checks | python3 check.py",
        "DIR=/srv/checks true; python3 $DIR/check.py", "true # /srv/checks/check.py",
        "python3 -c 'print(1)'", "", "'", "\"", "$", "\\"}) {
    EXPECT_EQ(files(command), Paths{}) << command;
  }
}

TEST_F(CommandFilesTest, WhatACommandWritesIsNoneOfThem) {
  EXPECT_EQ(files("cd /srv/checks; python3 check.py 2> log.txt"), Paths{"/srv/checks/check.py"});
  EXPECT_EQ(files("cd /srv/checks; python3 check.py 2>>log.txt one.py 2>&1 rules.json"),
            (Paths{"/srv/checks/check.py", "/srv/checks/one.py", "/srv/checks/rules.json"}));
}

TEST_F(CommandFilesTest, TheScorersIdentityFollowsThem) {
  const std::string command = "cd \"$HERE\" && RULES=rules.json python3 check.py";
  const auto identity = [&] { return command_scorer(disk_, command)->identity(); };
  const Json first = identity();
  EXPECT_EQ(identity(), first);
  write("/srv/checks/rules.json", "y");
  EXPECT_NE(identity(), first);
  EXPECT_TRUE(command_scorer(disk_, command)->warnings().empty());
}

TEST_F(CommandFilesTest, AScorerWithoutThemSaysSo) {
  for (const char* command : {"mycheck --fast", "/usr/bin/python3.11 -m elsewhere"}) {
    const auto warnings = command_scorer(disk_, command)->warnings();
    ASSERT_EQ(warnings.size(), 1U) << command;
    EXPECT_EQ(warnings[0], "the command '" + std::string(command) +
                               "' names no file that could be watched: if the program changes, "
                               "that will not be noticed, and its earlier scores are kept");
  }
}

}  // namespace
}  // namespace expo
