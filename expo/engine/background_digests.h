#pragma once

#include <chrono>
#include <future>

#include "expo/engine/engine.h"

namespace expo {

/// Reads through an engine's files while the engine works; gives up when it is destroyed.
class BackgroundDigests {
 public:
  explicit BackgroundDigests(const Engine& engine)
      : digests_(std::async(std::launch::async, [&] { return engine.digests(stop_); })) {}
  ~BackgroundDigests() { stop_.cancel(); }
  BackgroundDigests(const BackgroundDigests&) = delete;
  BackgroundDigests& operator=(const BackgroundDigests&) = delete;

  /// Waits for them, or throws Error(interrupted); call once.
  Json take(const CancellationToken& cancellation) {
    while (digests_.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
      cancellation.check();
    return digests_.get();
  }

 private:
  CancellationToken stop_;
  std::future<Json> digests_;
};

}  // namespace expo
