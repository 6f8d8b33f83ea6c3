#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace expo {

/// A line about progress on stderr: a bar that redraws itself on a terminal, a line every ten
/// seconds elsewhere, and nothing for work that is done sooner. Thread-safe.
class ProgressLine {
 public:
  ProgressLine();

  void begin();
  /// Calls `describe(seconds passed)`, which returns the share done and a text, if a new line is
  /// due.
  template <typename Describe>
  void update(Describe&& describe) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || !is_due()) return;
    const auto [share, text] = describe(seconds());
    draw(share, text);
  }
  void end();

  /// Returns a text such as "7 s left", estimated from the share that is done.
  static std::string time_left(double share, double seconds);

 private:
  bool is_due();
  double seconds() const;
  void draw(double share, const std::string& text) const;

  bool terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point next_;
  std::mutex mutex_;
};

}  // namespace expo
