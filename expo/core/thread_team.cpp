#include "expo/core/thread_team.h"

#include <system_error>

#include "expo/core/parallel.h"

namespace expo {
namespace {

/// Tries before a thread gives its processor away: about 50 microseconds.
constexpr int kSpins = 2000;

void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits until `value` is no longer `old`, in short intervals.
void spin_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int spins = 0; value.load(std::memory_order_acquire) == old; ++spins) {
    if (spins < kSpins) {
      pause_processor();
    } else {
      std::this_thread::yield();
    }
  }
}

/// The same, but falls asleep where it takes long.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_processor();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(unsigned threads) {
  const unsigned wanted = threads == 0 ? available_threads() : threads;
  threads_.reserve(wanted - 1);
  try {
    for (unsigned worker = 1; worker < wanted; ++worker)
      threads_.emplace_back([this, worker] { work(worker); });
  } catch (const std::system_error&) {
    // The system gives no more threads.
  }
  members_.store(size(), std::memory_order_release);
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true, std::memory_order_relaxed);
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(unsigned worker)>& body) {
  body_ = &body;
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  body(0);
  barrier();
}

void ThreadTeam::work(unsigned worker) {
  for (std::uint32_t seen = 0;; ++seen) {
    wait_while(run_, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    (*body_)(worker);
    barrier();
  }
}

void ThreadTeam::barrier() {
  const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 <
      members_.load(std::memory_order_relaxed)) {
    spin_while(phase_, phase);
    return;
  }
  arrived_.store(0, std::memory_order_relaxed);
  next_.store(0, std::memory_order_relaxed);
  phase_.store(phase + 1, std::memory_order_release);
}

}  // namespace expo
