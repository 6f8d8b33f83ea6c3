#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace expo {

/// Threads that stay, for work in many short phases: between phases they spin, so that a phase may
/// last a few microseconds. Between runs they sleep. One run at a time.
class ThreadTeam {
 public:
  /// `threads` ≥ 1, the caller's own among them; 0: as many as there are processors. Where the
  /// system gives fewer, it makes do with those.
  explicit ThreadTeam(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const { return static_cast<unsigned>(threads_.size()) + 1; }

  /// Runs body(worker) on every thread, worker in [0, size()), and returns when all have come back.
  /// The body must not throw.
  void run(const std::function<void(unsigned worker)>& body);

  // Within a run, by all threads in the same order:

  /// Waits until all threads are here. What any of them wrote before, all see after.
  void barrier();
  /// Hands the indices [0, count) out to the threads, in ascending order, and waits for all.
  template <typename Body>
  void for_each(std::int64_t count, const Body& body) {
    for (std::int64_t i = claim(); i < count; i = claim()) body(i);
    barrier();
  }

 private:
  std::int64_t claim() { return next_.fetch_add(1, std::memory_order_relaxed); }
  void work(unsigned worker);

  // Each on a cache line of its own: they are written by all threads.
  alignas(64) std::atomic<std::int64_t> next_{0};
  alignas(64) std::atomic<unsigned> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  alignas(64) std::atomic<std::uint32_t> run_{0};
  std::atomic<unsigned> members_{1};  ///< threads that take part; less than size() never
  std::atomic<bool> stopping_{false};
  const std::function<void(unsigned)>* body_ = nullptr;
  std::vector<std::thread> threads_;
};

}  // namespace expo
