#include "expo/cli/terminal_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "expo/extrapolation/output_folder.h"

namespace expo {
namespace {

using namespace std::chrono_literals;

std::string duration(double seconds) {
  const auto whole = std::lround(seconds);
  return whole < 60 ? fmt::format("{} s", whole)
                    : fmt::format("{} min {:02} s", whole / 60, whole % 60);
}

/// A terminal that can redraw a line.
bool redraws() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace

TerminalProgress::TerminalProgress() : terminal_(redraws()) {}

void TerminalProgress::begin(std::string_view what, std::uint64_t total_bytes) {
  what_ = what;
  total_ = total_bytes;
  done_ = 0;
  start_ = std::chrono::steady_clock::now();
  next_ = start_ + (terminal_ ? 300ms : 10s);
}

void TerminalProgress::advance(std::uint64_t bytes) {
  done_ += bytes;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ ? 100ms : 10s);
  draw();
}

void TerminalProgress::draw() {
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const auto done = static_cast<double>(done_.load());
  const double share = total_ == 0 ? 1 : done / static_cast<double>(total_);
  const double rate = elapsed > 0 ? done / elapsed : 0;
  const double left = rate > 0 ? (static_cast<double>(total_) - done) / rate : 0;
  std::string line = fmt::format("{} {:3.0f} %  {} of {}  {}/s  {} left", what_, 100 * share,
                                 format_bytes(done_.load()), format_bytes(total_),
                                 format_bytes(static_cast<std::uint64_t>(rate)), duration(left));
  if (terminal_) {
    const auto filled = static_cast<std::size_t>(share * 24);
    line = fmt::format("\r\x1b[K[{}{}] {}", std::string(filled, '#'),
                       std::string(24 - std::min<std::size_t>(filled, 24), '.'), line);
  } else {
    line += "\n";
  }
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void TerminalProgress::end() {
  if (terminal_) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
  }
}

}  // namespace expo
