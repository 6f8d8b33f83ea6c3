#include "expo/search/process/line_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "expo/core/error.h"
#include "expo/search/process/shell_spawn.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kLongestLine = 65'536;
constexpr std::size_t kKeptComplaint = 4'096;
/// How long a wait may last before cancellation, and the end of the process, are looked for.
constexpr milliseconds kGlance{50};
/// In which a line too many is waited for, so that it is not taken for the answer to the next one.
constexpr milliseconds kMoment{5};

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

/// While it lives, writing to a pipe that nobody reads is an error of the call and not the end of
/// this program, whatever the program has set for SIGPIPE.
class WithoutPipeSignal {
 public:
  WithoutPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutPipeSignal() {
    const timespec at_once{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &at_once) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutPipeSignal(const WithoutPipeSignal&) = delete;
  WithoutPipeSignal& operator=(const WithoutPipeSignal&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

/// Appends what can be read without waiting; closes the descriptor at its end. Returns whether
/// anything was there.
bool drain(int& descriptor, std::string& into) {
  std::array<char, 16'384> piece{};
  while (descriptor >= 0) {
    const ssize_t count = ::read(descriptor, piece.data(), piece.size());
    if (count > 0) {
      into.append(piece.data(), static_cast<std::size_t>(count));
      return true;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    close_descriptor(descriptor);
  }
  return false;
}

std::string last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

}  // namespace

LineProcess::LineProcess(const std::string& command, Limits limits) : limits_(limits) {
  const ShellProcess started = spawn_shell(command);
  process_ = started.process;
  input_ = started.input;
  output_ = started.output;
  complaints_ = started.complaints;
}

LineProcess::~LineProcess() {
  end(limits_.farewell);
}

LineProcess::Exchange LineProcess::exchange(std::string_view text, std::size_t count,
                                            const Reader& reader,
                                            const CancellationToken& cancellation) {
  Exchange result;
  reader_ = &reader;
  try {
    if (read_some() || !unread_.empty()) take_lines(result, 0);
    converse(result, text, count, cancellation);
    if (result.outcome == Outcome::done) wait(false, kMoment);
    if (result.outcome == Outcome::done && read_some()) take_lines(result, count);
  } catch (...) {
    end(milliseconds(0));
    throw;
  }
  return result;
}

std::string LineProcess::finish() {
  close_descriptor(input_);
  const auto until = Clock::now() + limits_.farewell;
  while (output_ >= 0 && unread_.size() <= kLongestLine && Clock::now() < until) {
    read_complaints();
    if (read_some()) continue;
    // What it has started may hold its output open after it.
    if (ended_within(milliseconds(0)) && !read_some()) break;
    wait(false, kGlance);
  }
  end(std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(until - Clock::now())));
  return std::exchange(unread_, {});
}

void LineProcess::converse(Exchange& exchange, std::string_view text, std::size_t count,
                           const CancellationToken& cancellation) {
  auto moved = Clock::now();
  while (exchange.outcome == Outcome::done && (exchange.lines < count || !text.empty())) {
    cancellation.check();
    read_complaints();
    const bool wrote = write_some(text);
    if (read_some()) {
      take_lines(exchange, count);
    } else if (!wrote) {
      check_idle(exchange, count, !text.empty(), moved);
      continue;
    }
    moved = Clock::now();
  }
}

bool LineProcess::write_some(std::string_view& text) {
  if (input_ < 0 || text.empty()) return false;
  const WithoutPipeSignal guard;
  const ssize_t count = ::write(input_, text.data(), text.size());
  if (count > 0) {
    text.remove_prefix(static_cast<std::size_t>(count));
    return true;
  }
  if (count < 0 && errno != EAGAIN && errno != EINTR) close_descriptor(input_);
  return false;
}

bool LineProcess::read_some() {
  return drain(output_, unread_);
}

void LineProcess::read_complaints() {
  while (drain(complaints_, last_words_)) {
    if (last_words_.size() > kKeptComplaint)
      last_words_.erase(0, last_words_.size() - kKeptComplaint);
  }
}

/// Gives whole lines to the reader, until `count` of them have come.
void LineProcess::take_lines(Exchange& exchange, std::size_t count) {
  std::size_t begin = 0;
  for (std::size_t end = 0;
       exchange.lines < count && (end = unread_.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    (*reader_)(exchange.lines++, unread_.substr(begin, end - begin));
  unread_.erase(0, begin);
  if (exchange.lines == count && !unread_.empty()) {
    fail(exchange, Outcome::surplus,
         fmt::format("has printed more lines than it was given, the first of them \"{}\"",
                     unread_.substr(0, std::min<std::size_t>(unread_.find('\n'), 60))));
  } else if (unread_.size() > kLongestLine) {
    fail(exchange, Outcome::endless,
         fmt::format("has printed a line of more than {} bytes", kLongestLine));
  }
}

/// Called when nothing could be read or written: finds out whether anything will, or waits.
void LineProcess::check_idle(Exchange& exchange, std::size_t count, bool to_write,
                             Clock::time_point moved) {
  const auto passed = std::chrono::duration_cast<milliseconds>(Clock::now() - moved);
  if (output_ < 0 || ended_within(milliseconds(0))) {
    // It may have printed something between the last read and its end.
    if (read_some()) return take_lines(exchange, count);
    const bool ended = ended_within(limits_.farewell);
    fail(exchange, Outcome::ended, ended ? describe_end() : "has closed its output");
  } else if (passed >= limits_.stall) {
    fail(exchange, Outcome::stalled,
         fmt::format("has neither read nor printed anything for {:g} s",
                     static_cast<double>(limits_.stall.count()) / 1000));
  } else {
    wait(to_write, std::min(kGlance, limits_.stall - passed));
  }
}

void LineProcess::wait(bool to_write, milliseconds time) const {
  std::array<pollfd, 3> all{{{output_, POLLIN, 0}, {complaints_, POLLIN, 0}, {-1, POLLOUT, 0}}};
  if (to_write) all[2].fd = input_;
  ::poll(all.data(), all.size(), static_cast<int>(time.count()));
}

void LineProcess::fail(Exchange& exchange, Outcome outcome, std::string what) {
  read_complaints();
  exchange.outcome = outcome;
  exchange.what = std::move(what);
  exchange.complaint = last_line(last_words_);
  end(milliseconds(0));
}

/// Whether the process ends in this time. It is left to be reaped, so that its number stays its
/// own.
bool LineProcess::ended_within(milliseconds time) const {
  const auto until = Clock::now() + time;
  while (true) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
        info.si_pid == process_)
      return true;
    if (Clock::now() >= until) return false;
    ::poll(nullptr, 0, 2);
  }
}

/// Of a process that has ended.
std::string LineProcess::describe_end() const {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT);
  if (info.si_code == CLD_EXITED)
    return fmt::format("has ended with exit status {}", info.si_status);
  return fmt::format("was ended by signal {} ({})", info.si_status, strsignal(info.si_status));
}

void LineProcess::end(milliseconds farewell) {
  for (int* descriptor : {&input_, &output_, &complaints_}) close_descriptor(*descriptor);
  if (process_ < 0) return;
  ended_within(farewell);
  ::kill(-process_, SIGKILL);  // also what it has started, whether or not it has ended itself
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

}  // namespace expo
