#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace expo {

/// Threads that stay, for work in many short phases: between phases they spin, so that a phase may
/// last a few microseconds. A phase ends when its last item is done, and needs no thread to come
/// that holds none: where other programs take a processor, the rest go on. Between runs the threads
/// sleep. One run at a time.
class ThreadTeam {
 public:
  /// `threads` ≥ 1, the caller's own among them; 0: as many as there are processors. Where the
  /// system gives fewer, it makes do with those.
  explicit ThreadTeam(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const { return static_cast<unsigned>(threads_.size()) + 1; }

  /// One thread's part in a run.
  class Member {
   public:
    unsigned worker() const { return worker_; }  ///< in [0, size())

    /// A phase: runs body(i) for every i in [0, count), each on one thread, in ascending order, and
    /// returns when all are done, and all that they wrote is seen. Every member calls it with the
    /// same count, and in the same order as its other phases.
    template <typename Body>
    void for_each(std::int64_t count, const Body& body) {
      for (std::int64_t i = 0; claim(count, i);) {
        body(i);
        finish(count);
      }
      if (count > 0) ++phase_;
    }

   private:
    friend class ThreadTeam;
    Member(ThreadTeam& team, unsigned worker, std::uint32_t phase)
        : team_(team), worker_(worker), phase_(phase) {}
    bool claim(std::int64_t count, std::int64_t& index);
    void finish(std::int64_t count);

    ThreadTeam& team_;
    unsigned worker_;
    std::uint32_t phase_;
  };

  /// Runs the body on every thread and returns when all have come back. All of its work is in
  /// phases: what lies between them is done by each thread, and by one that was held up maybe when
  /// the others are further on. It must not throw.
  void run(const std::function<void(Member& member)>& body);

 private:
  void work(unsigned worker);
  void leave();

  /// The phase that runs, in the upper half, and the next of its items.
  alignas(64) std::atomic<std::uint64_t> next_{0};
  alignas(64) std::atomic<std::int64_t> done_{0};  ///< items of this phase
  alignas(64) std::atomic<std::uint32_t> run_{0};
  alignas(64) std::atomic<unsigned> inside_{0};  ///< threads that have not come back
  std::atomic<bool> stopping_{false};
  const std::function<void(Member&)>* body_ = nullptr;
  std::uint32_t first_phase_ = 0;  ///< of this run
  std::vector<std::thread> threads_;
};

}  // namespace expo
