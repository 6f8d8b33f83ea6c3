#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace expo {

/// A flag that a signal handler or another thread sets to stop long work at the next safe point.
class CancellationToken {
 public:
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  /// Throws Error(interrupted) once cancelled.
  void check() const;

 private:
  std::atomic<bool> cancelled_{false};
};

/// Is notified of the progress of long work, in bytes. Its methods are called from several threads
/// at once.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void begin(std::string_view what, std::uint64_t total_bytes) = 0;
  virtual void advance(std::uint64_t bytes) = 0;
  virtual void end() = 0;
};

/// Is notified of the progress of work that generates or reads tokens for the rows of a data set.
/// Its methods are called from several threads at once.
class RowProgress {
 public:
  virtual ~RowProgress() = default;
  virtual void begin(std::string_view what, std::uint64_t rows) = 0;
  virtual void advance_tokens(std::uint64_t tokens) = 0;
  virtual void advance_rows(std::uint64_t rows) = 0;
  virtual void end() = 0;
};

}  // namespace expo
