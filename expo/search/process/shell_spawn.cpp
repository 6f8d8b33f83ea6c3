#include "expo/search/process/shell_spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

[[noreturn]] void refuse(const std::string& command, int error) {
  throw environment_error(
      fmt::format("the command '{}' cannot be started: {}", command, std::strerror(error)));
}

/// A pipe whose ends are closed with it, unless they are taken.
class Pipe {
 public:
  explicit Pipe(const std::string& command) {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) refuse(command, errno);
  }
  ~Pipe() {
    for (const int end : ends_)
      if (end >= 0) ::close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  int take_reader() { return take(0); }
  int take_writer() { return take(1); }

 private:
  int take(std::size_t which) {
    const int end = std::exchange(ends_[which], -1);
    ::fcntl(end, F_SETFL, ::fcntl(end, F_GETFL) | O_NONBLOCK);
    return end;
  }

  std::array<int, 2> ends_{-1, -1};
};

/// This program's environment with PYTHONUNBUFFERED; pointers into it and into constants.
std::vector<char*> environment() {
  static char unbuffered[] = "PYTHONUNBUFFERED=1";
  std::vector<char*> result;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("PYTHONUNBUFFERED=")) result.push_back(*variable);
  }
  result.push_back(unbuffered);
  result.push_back(nullptr);
  return result;
}

/// What differs between this program's process and the shell's.
class SpawnSettings {
 public:
  SpawnSettings(int input, int output, int complaints) {
    posix_spawn_file_actions_init(&files_);
    posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files_, complaints, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t usual;
    sigemptyset(&usual);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&usual, signal);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* files() const { return &files_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

ShellProcess spawn_shell(const std::string& command) {
  Pipe input(command);
  Pipe output(command);
  Pipe complaints(command);
  const SpawnSettings settings(input.reader(), output.writer(), complaints.writer());
  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  std::array<char*, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
  std::vector<char*> variables = environment();
  ShellProcess result;
  const int error = ::posix_spawn(&result.process, "/bin/sh", settings.files(),
                                  settings.attributes(), arguments.data(), variables.data());
  if (error != 0) refuse(command, error);
  result.input = input.take_writer();
  result.output = output.take_reader();
  result.complaints = complaints.take_reader();
  return result;
}

}  // namespace expo
