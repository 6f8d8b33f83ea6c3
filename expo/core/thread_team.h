#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace expo {

/// Persistent threads for work in many short phases: between phases they wait awake for a moment,
/// so that a phase may last only a few microseconds, and then asleep. A phase ends when its last
/// item is done and does not wait for a thread that holds no item: if other programs take a
/// processor, the other threads go on. Between runs the threads sleep. Only one run may be active
/// at a time.
class ThreadTeam {
 public:
  /// `threads` ≥ 1 counts the caller's own; 0 means one for each processor. If the system gives
  /// fewer threads, the team works with those.
  explicit ThreadTeam(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const { return static_cast<unsigned>(threads_.size()) + 1; }

  /// One thread's view of a run.
  class Member {
   public:
    unsigned worker() const { return worker_; }  ///< in [0, size())

    /// Runs a phase: body(i) for every i in [0, count), each on one thread, handed out in ascending
    /// order. Returns when all are done and everything they wrote is visible. Every member calls it
    /// with the same count, and in the same order as its other phases.
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

  /// Runs the body on the caller's thread, and on each other that comes before the caller is
  /// through; returns when all of these have returned. All shared work belongs in phases: each
  /// thread executes the code between them, and a thread that was held up may do so when the others
  /// are already further on. The body must not throw.
  void run(const std::function<void(Member& member)>& body);

 private:
  static constexpr std::uint32_t kClosed = std::uint32_t{1} << 31;

  void work(unsigned worker);
  bool enter();
  void leave();

  /// The running phase in the upper half, and its next item in the lower half.
  alignas(64) std::atomic<std::uint64_t> next_{0};
  alignas(64) std::atomic<std::int64_t> done_{0};    ///< finished items of this phase
  alignas(64) std::atomic<std::uint32_t> phase_{0};  ///< the running phase, for those that wait
  alignas(64) std::atomic<std::uint32_t> run_{0};
  /// The threads in the body besides the caller, and kClosed if no more may enter.
  alignas(64) std::atomic<std::uint32_t> inside_{kClosed};
  std::atomic<bool> stopping_{false};
  const std::function<void(Member&)>* body_ = nullptr;
  std::uint32_t first_phase_ = 0;  ///< the first phase of this run
  std::uint32_t running_ = 0;      ///< what run_ is, or is about to be
  std::vector<std::thread> threads_;
};

}  // namespace expo
