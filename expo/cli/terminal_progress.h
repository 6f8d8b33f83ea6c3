#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "expo/core/progress.h"

namespace expo {

/// Progress on stderr: a bar that redraws itself on a terminal, a line every ten seconds elsewhere,
/// nothing for work that is done sooner. Thread-safe.
class TerminalProgress final : public Progress {
 public:
  TerminalProgress();
  void begin(std::string_view what, std::uint64_t total_bytes) override;
  void advance(std::uint64_t bytes) override;
  void end() override;

 private:
  void draw();

  bool terminal_;
  std::string what_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_{0};
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point next_;
  std::mutex mutex_;
};

}  // namespace expo
