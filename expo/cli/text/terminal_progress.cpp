#include "expo/cli/text/terminal_progress.h"

#include <fmt/format.h>

#include <utility>

#include "expo/core/byte_size.h"

namespace expo {
namespace {

double share_of(std::uint64_t done, std::uint64_t total) {
  return total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
}

double rate_of(std::uint64_t done, double seconds) {
  return seconds > 0 ? static_cast<double>(done) / seconds : 0;
}

}  // namespace

void TerminalProgress::begin(std::string_view what, std::uint64_t total_bytes) {
  what_ = what;
  total_ = total_bytes;
  done_ = 0;
  line_.begin();
}

void TerminalProgress::advance(std::uint64_t bytes) {
  done_ += bytes;
  line_.update([&](double seconds) {
    const std::uint64_t done = done_;
    const double share = share_of(done, total_);
    const auto rate = static_cast<std::uint64_t>(rate_of(done, seconds));
    return std::pair(share,
                     fmt::format("{} {:3.0f} %  {} of {}  {}/s  {}", what_, 100 * share,
                                 format_bytes(done), format_bytes(total_), format_bytes(rate),
                                 ProgressLine::time_left(share, seconds)));
  });
}

void TerminalRowProgress::begin(std::string_view what, std::uint64_t rows) {
  what_ = what;
  total_ = rows;
  rows_ = 0;
  tokens_ = 0;
  line_.begin();
}

void TerminalRowProgress::advance_tokens(std::uint64_t tokens) {
  tokens_ += tokens;
  update();
}

void TerminalRowProgress::advance_rows(std::uint64_t rows) {
  rows_ += rows;
  update();
}

void TerminalRowProgress::update() {
  line_.update([&](double seconds) {
    const std::uint64_t rows = rows_;
    const double share = share_of(rows, total_);
    return std::pair(
        share, fmt::format("{} {} of {} rows  {:.0f} tokens/s  {}", what_, rows, total_,
                           rate_of(tokens_, seconds), ProgressLine::time_left(share, seconds)));
  });
}

}  // namespace expo
