#include "expo/cli/text/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace expo {
namespace {

using namespace std::chrono_literals;

std::string duration(double seconds) {
  const auto whole = std::lround(seconds);
  return whole < 60 ? fmt::format("{} s", whole)
                    : fmt::format("{} min {:02} s", whole / 60, whole % 60);
}

/// Whether stderr is a terminal that can redraw a line.
bool redraws() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace

ProgressLine::ProgressLine() : terminal_(redraws()) {}

void ProgressLine::begin() {
  start_ = std::chrono::steady_clock::now();
  next_ = start_ + (terminal_ ? 300ms : 10s);
}

bool ProgressLine::is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + (terminal_ ? 100ms : 10s);
  return true;
}

double ProgressLine::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::string ProgressLine::time_left(double share, double seconds) {
  return share > 0 ? duration(seconds * (1 - share) / share) + " left" : "";
}

void ProgressLine::draw(double share, const std::string& text) const {
  std::string line = text + "\n";
  if (terminal_) {
    const auto filled = std::min<std::size_t>(24, static_cast<std::size_t>(share * 24));
    line = fmt::format("\r\x1b[K[{}{}] {}", std::string(filled, '#'), std::string(24 - filled, '.'),
                       text);
  }
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void ProgressLine::end() {
  if (terminal_) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
  }
}

}  // namespace expo
