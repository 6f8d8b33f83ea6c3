#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "expo/cli/text/progress_line.h"
#include "expo/core/progress.h"

namespace expo {

/// Shows the bytes done, the bytes per second and the time left on a ProgressLine. Thread-safe.
class TerminalProgress final : public Progress {
 public:
  void begin(std::string_view what, std::uint64_t total_bytes) override;
  void advance(std::uint64_t bytes) override;
  void end() override { line_.end(); }

 private:
  std::string what_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_{0};
  ProgressLine line_;
};

/// Shows the rows done, the tokens per second and the time left on a ProgressLine. Thread-safe.
class TerminalRowProgress final : public RowProgress {
 public:
  void begin(std::string_view what, std::uint64_t rows) override;
  void advance_tokens(std::uint64_t tokens) override;
  void advance_rows(std::uint64_t rows) override;
  void end() override { line_.end(); }

 private:
  void update();

  std::string what_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::uint64_t> tokens_{0};
  ProgressLine line_;
};

}  // namespace expo
