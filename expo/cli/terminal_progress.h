#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "expo/cli/progress_line.h"
#include "expo/core/progress.h"

namespace expo {

/// Bytes done, by the second and still to do, as ProgressLine shows it. Thread-safe.
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

/// Rows done, tokens by the second and the time left, likewise. Thread-safe.
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
