#include "expo/cli/open_page.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

namespace expo {
namespace {

using Words = std::vector<std::string>;

/// The command's words with the page in the place of %s, or behind them.
Words with_page(const std::string& command, const std::string& page) {
  Words words;
  bool has_page = false;
  std::istringstream stream(command);
  for (std::string word; stream >> word;) {
    if (const std::size_t place = word.find("%s"); place != std::string::npos) {
      word.replace(place, 2, page);
      has_page = true;
    }
    words.push_back(std::move(word));
  }
  if (!words.empty() && !has_page) words.push_back(page);
  return words;
}

std::vector<Words> openers(const std::string& page) {
  const char* named = std::getenv("BROWSER");
  std::vector<Words> result;
  std::istringstream list(named == nullptr ? "" : named);
  for (std::string command; std::getline(list, command, ':');) {
    if (Words words = with_page(command, page); !words.empty()) result.push_back(std::move(words));
  }
  if (result.empty()) result.push_back({"xdg-open", page});
  return result;
}

/// Starts a program in a session of its own, so that it outlives this one and its terminal. Returns
/// its process; std::nullopt with `reason` if it cannot be started.
std::optional<pid_t> start(const Words& words, std::string& reason) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_addopen(&files, stream, "/dev/null", O_RDWR, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t process = 0;
  const int error =
      ::posix_spawnp(&process, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == 0) return process;
  reason = fmt::format("{} cannot be started: {}", words.front(), std::strerror(error));
  return std::nullopt;
}

/// Why a program that was to open a page has failed; empty if it has not, or runs on.
std::string failure_of(pid_t process, const std::string& name) {
  using Clock = std::chrono::steady_clock;
  for (const auto end = Clock::now() + std::chrono::seconds(1); Clock::now() < end;) {
    int status = 0;
    if (::waitpid(process, &status, WNOHANG) == process) {
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
      return fmt::format("{} has failed", name);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return {};
}

}  // namespace

std::string open_page(const std::filesystem::path& page) {
  std::string reason;
  for (const Words& words : openers(page.string())) {
    if (const auto process = start(words, reason)) return failure_of(*process, words.front());
  }
  return reason;
}

}  // namespace expo
