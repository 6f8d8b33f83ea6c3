#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

/// A folder with a pipe that nobody writes to.
class Pipe : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0666), 0);
    ::alarm(60);  // ends the test program if it waits for a writer
  }
  void TearDown() override { ::alarm(0); }

  TemporaryFolder folder_;
};

TEST_F(Pipe, IsRefusedWithoutWaitingForItsWriter) {
  for (const Caching caching : {Caching::buffered, Caching::direct}) {
    try {
      posix_filesystem().open(folder_ / "pipe", caching);
      ADD_FAILURE() << "opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      EXPECT_NE(std::string(error.what()).find("pipe: not a regular file"), std::string::npos)
          << error.what();
    }
  }
}

TEST_F(Pipe, IsNeitherAFolderNorARegularFile) {
  folder_.write("file", "x");
  const auto pipe = posix_filesystem().status(folder_ / "pipe");
  EXPECT_FALSE(pipe->is_regular);
  EXPECT_FALSE(pipe->is_directory);
  EXPECT_TRUE(posix_filesystem().status(folder_ / "file")->is_regular);
  EXPECT_FALSE(posix_filesystem().status(folder_.path())->is_regular);
}

}  // namespace
}  // namespace expo
