#include <sys/resource.h>

#include <csignal>

#include "expo/cli/command.h"

namespace expo {
namespace {

CancellationToken interrupted;

}  // namespace

const CancellationToken& catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted.cancel(); };
  action.sa_flags = SA_RESETHAND;  // a second Ctrl-C ends the program at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);  // sent when the terminal is closed
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` fails instead
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {  // hundreds of shards are open at once
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  return interrupted;
}

}  // namespace expo
